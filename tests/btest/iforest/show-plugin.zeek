# @TEST-DOC: Zeek lists the plugin, by its name and as a script.
#
# @TEST-EXEC: zeek -NN IForest::Scorer | sed 's/version [0-9.]*/version/' >output
# @TEST-EXEC: zeek -N IForest | grep IForest | sed 's/version [0-9.]*/version/' >>output
# @TEST-EXEC: btest-diff output
