#!/usr/bin/env bash
# Follows the README in a Debian 13 root with Debian's packages and the installed Zeek: zkg install, a model, a notice.
# Then packs the build and installs it with the compilers hidden. Needs root, mmdebstrap, Zeek, and a Debian mirror and
# crates.io or cargo's cache. IFOREST_DEBIAN_13 names a root to use or create. Zeek's own files are not changed.
# IFOREST_CARGO_ARGS are passed to cargo: '--offline --config profile.release.opt-level=0' is faster.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "debian-13: skipped: $*" && exit; }
fail() { echo "debian-13: FAILED: $*" >&2 && exit 1; }
for program in zeek-config mmdebstrap unshare git cargo; do
	command -v "$program" >/dev/null || skip "$program is not on PATH"
done
[ "$(id -u)" = 0 ] || skip "only root can make a Debian 13 root"
packages=rustc,cargo,g++,cmake,make,ca-certificates,git,libpcap-dev,libssl-dev,zlib1g-dev
packages=$packages,libmaxminddb0,libzmq5,python3-git,python3-semantic-version
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=${IFOREST_DEBIAN_13:-$scratch/root}
if [ ! -e "$root/usr/bin/rustc" ]; then
	echo "deb ${IFOREST_DEBIAN_MIRROR:-http://deb.debian.org/debian} trixie main" >"$scratch/trixie.list"
	mmdebstrap --quiet --variant=apt --include="$packages" trixie "$root" "$scratch/trixie.list" >"$scratch/log" 2>&1 ||
		skip "mmdebstrap made no Debian 13 root: $(grep -m 1 '^E:' "$scratch/log" || tail -n 1 "$scratch/log")"
fi
registry=${CARGO_HOME:-$HOME/.cargo}/registry
(cd "$repository" && cargo fetch --locked --quiet)
git clone -q "$repository" "$scratch/zeek-iforest"
git -C "$scratch/zeek-iforest" tag v999.0.0

# Runs a script in /work, the scratch directory, over a scratch copy of Zeek's directory.
inside() { # SCRIPT [hide]
	unshare --mount bash -euc '
		root=$1 prefix=$2 scratch=$3 registry=$4
		mkdir -p "$root$prefix" "$root/work" "$root/cargo/registry"
		mount -t tmpfs tmpfs "$root/run"
		mkdir "$root/run/upper" "$root/run/work"
		mount -t overlay overlay -o "lowerdir=$prefix,upperdir=$root/run/upper,workdir=$root/run/work" "$root$prefix"
		mount --bind "$scratch" "$root/work"
		mount --bind "$registry" "$root/cargo/registry"
		mount -t proc proc "$root/proc"
		mount --bind /dev "$root/dev"
		if [ "${6:-}" = hide ]; then
			for program in "$root"/usr/bin/{cargo,rustc,cmake,make,cc,gcc,c++,g++,*-linux-gnu-g[c+][c+]*}; do
				[ ! -e "$program" ] || mount --bind /dev/null "$program"
			done
		fi
		exec chroot "$root" env -i "PATH=$prefix/bin:/usr/bin:/bin:/usr/sbin:/sbin" HOME=/root CARGO_HOME=/cargo \
			"IFOREST_CARGO_ARGS=${IFOREST_CARGO_ARGS:---offline}" ZEEK_SEED_FILE=/work/zeek-iforest/tests/btest/random.seed bash -euc "cd /work; $5"
	' - "$root" "$(zeek-config --prefix)" "$scratch" "$registry" "$@"
}
# The commands of the README.
notice='zeek-iforest --quiet train zeek-iforest/tests/data/lab-day1.conn.log -o lab.model
	zeek -C -r zeek-iforest/tests/data/lab-day2.pcap packages IForest::model_file=lab.model
	zeek-cut msg <notice.log | grep -m 1 "^scan: 10.10.1.16 probed "'

since=$SECONDS
# shellcheck disable=SC2016
inside 'zkg install --force --skiptests --version v999.0.0 --user-var "IFOREST_CARGO_ARGS=$IFOREST_CARGO_ARGS" ./zeek-iforest >log 2>&1 || {
		tail -n 30 log $(zkg config state_dir)/logs/*.log
		exit 1
	}
	'"$notice"'
	$(zkg config state_dir)/clones/package/zeek-iforest/packaging/binary-package' >"$scratch/said" ||
	fail "$(cat "$scratch/said")"
echo "debian-13: zkg install to notice in $((SECONDS - since)) s: $(grep '^scan' "$scratch/said")"
since=$SECONDS
# shellcheck disable=SC2016
inside '! cargo --version 2>/dev/null && ! c++ --version 2>/dev/null && ! cmake --version 2>/dev/null || exit 1
	mkdir -p sensor/package && cd sensor && tar -xzf ../zeek-iforest-*.tar.gz -C package
	zkg install --force ./package/zeek-iforest >log 2>&1 || { cat log; exit 1; }
	ln -s ../zeek-iforest .
	'"$notice" hide >"$scratch/binary" || fail "$(cat "$scratch/binary")"
echo "debian-13: binary package to notice in $((SECONDS - since)) s: $(grep '^scan' "$scratch/binary")"
[ "$(grep '^scan' "$scratch/said")" = "$(grep '^scan' "$scratch/binary")" ] || fail "the notices differ"
echo "debian-13: ok"
