##! Loaded with the plugin and left empty: the package's scripts are in scripts/IForest, to be loaded once and on
##! request, as ``IForest`` or, where the package manager installed them, with ``packages``.
