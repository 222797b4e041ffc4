#!/usr/bin/env bash
# Installs the package with zkg without a network, from vendored sources and with an empty cargo home, as
# docs/dependencies.md shows. Takes a build. Needs zkg, zeek and git, and a kernel that lets users make namespaces.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
for program in zkg zeek git cargo unshare; do
	command -v "$program" >/dev/null || { echo "zkg-offline: skipped: $program is not on PATH" && exit; }
done
unshare --map-root-user --net true 2>/dev/null || { echo "zkg-offline: skipped: no network namespace can be made" && exit; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git clone -q "$repository" "$scratch/zeek-iforest"
git -C "$scratch/zeek-iforest" tag v999.0.0
(cd "$scratch/zeek-iforest" && cargo vendor --locked "$scratch/vendor" >"$scratch/vendor.toml" 2>"$scratch/log") || {
	cat "$scratch/log" >&2
	exit 1
}
printf '[sources]\n[paths]\nstate_dir = %s\nscript_dir = %s\nplugin_dir = %s\nbin_dir = %s\nzeek_dist =\n' \
	"$scratch/state" "$scratch/site" "$scratch/plugins" "$scratch/bin" >"$scratch/zkg.config"
export HOME=$scratch RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_HOME=$scratch/empty
unshare --map-root-user --net zkg --configfile "$scratch/zkg.config" install --force --skiptests --version v999.0.0 \
	--user-var "IFOREST_CARGO_ARGS=--offline --config $scratch/vendor.toml" "$scratch/zeek-iforest" || {
	tail -n 50 "$scratch"/state/logs/*.log >&2
	echo "zkg-offline: FAILED" >&2 && exit 1
}
ZEEK_PLUGIN_PATH=$scratch/plugins zeek -N IForest::Scorer
echo "zkg-offline: ok"
