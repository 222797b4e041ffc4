#!/usr/bin/env bash
# Test of an unconfigured standalone Zeek on a network interface: it learns from real connections and scores; after a
# restart and after a crash it scores at once. The interface is the loopback of a private network namespace. Needs Zeek with
# the package, Python, and permission to create namespaces.
set -euo pipefail

[ "${1-}" = inside ] || exec unshare --user --map-root-user --net "$0" inside
fail() { echo "live: $*" >&2 && exit 1; }

directory=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$directory"' EXIT
cd "$directory"
ip link set lo up

# `visits N` makes N connections from twenty client addresses to one server.
mkdir www && head -c 5000 /dev/urandom >www/page
cat >visits.py <<'END'
import http.server, os, random, socket, sys, threading

os.chdir("www")
handler = http.server.SimpleHTTPRequestHandler
handler.log_message = lambda *_: None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), handler)
server.request_queue_size = 128
threading.Thread(target=server.serve_forever, daemon=True).start()
chance = random.Random(1)
first, number = map(int, sys.argv[1:])
for i in range(first, first + number):
    # Zeek counts connections as one if their addresses and ports repeat within seconds.
    source = (f"127.0.1.{i % 20 + 1}", 20000 + i // 20)
    client = socket.create_connection(("127.0.0.1", 8000), source_address=source)
    client.sendall(b"GET /%s HTTP/1.0\r\n\r\n" % chance.choice([b"page", b"", b"missing" * chance.randrange(1, 20)]))
    while client.recv(65536):
        pass
    client.close()
END
made=0
visits() { python3 visits.py "$made" "$1" && made=$((made + $1)); }

start() {
	mkdir -p "$1"
	# State and logs are in the directory that Zeek is started in; the runs share the state.
	ln -sfn ../iforest "$1/iforest"
	mkdir -p iforest
	(cd "$1" && exec zeek -C -i lo ${PACKAGE-packages} >stdout 2>stderr) &
	zeek=$!
	for _ in $(seq 300); do
		if grep -q listening "$1/stderr" 2>/dev/null; then return; fi
		sleep 0.1
	done
	fail "zeek did not start: $(cat "$1/stderr")"
}
# `logged RUN N` waits until the run's conn.log has N lines.
logged() {
	for _ in $(seq 600); do
		if [ -e "$1/conn.log" ] && [ "$(grep -vc "^#" "$1/conn.log")" -ge "$2" ]; then return; fi
		sleep 0.2
	done
	fail "$1: conn.log has $(grep -vc '^#' "$1/conn.log") lines, not $2"
}
scores() { zeek-cut anomaly_score <"$1/conn.log"; }

start first
visits 10500
for _ in $(seq 300); do
	if [ -s iforest/zeek/model ]; then break; fi
	sleep 0.2
done
[ -s iforest/zeek/model ] || fail "no model was learnt"
visits 100
logged first 10600
kill -TERM "$zeek"
wait "$zeek" || fail "zeek ended with status $?"
scores first | tail -n 50 | { ! grep -q -- -; } || fail "there are no scores after the first model"
[ "$(ls iforest/zeek | tr '\n' ' ')" = "dns-memory dns-sample memory model sample " ] || fail "the state is incomplete: $(ls iforest/zeek)"

before=$(stat -c %.Y iforest/zeek/memory)
PACKAGE="${PACKAGE-packages} IForest::learning_interval=1sec" start second
visits 50
logged second 50
# State is saved at the first tick, not only at exit.
for _ in $(seq 100); do
	if [ "$(stat -c %.Y iforest/zeek/memory)" != "$before" ]; then break; fi
	sleep 0.2
done
[ "$(stat -c %.Y iforest/zeek/memory)" != "$before" ] || fail "nothing was saved while Zeek ran"
kill -KILL "$zeek"
wait "$zeek" || true
scores second | { ! grep -q -- -; } || fail "a connection after the restart has no score"

start third
visits 50
kill -TERM "$zeek"
wait "$zeek" || fail "zeek ended with status $?"
scores third | { ! grep -q -- -; } || fail "a connection after the crash has no score"

echo "live: ok; the first model:"
zeek-cut action connections rows took pause <first/iforest_model.log
