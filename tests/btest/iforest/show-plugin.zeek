# @TEST-DOC: Zeek lists the plugin by name, with its functions.
#
# @TEST-EXEC: zeek -NN IForest::Scorer | sed 's/version [0-9.]*/version/' >output
# @TEST-EXEC: zeek -N IForest | grep IForest | sed 's/version [0-9.]*/version/' >>output
# @TEST-EXEC: btest-diff output
