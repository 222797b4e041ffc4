##! Loaded with the plugin, and empty on purpose. Load the package's scripts as ``IForest`` or, after an installation by
##! zkg, with ``packages``.
