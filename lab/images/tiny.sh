#!/bin/busybox sh
# Writes the page that names this host, then serves it until told to stop. The first process of a guest takes only
# signals that it handles, so the order to end must be caught.
busybox printf '%s from %s (tiny:%s)\n' "$GREETING" "$(busybox hostname)" "$TINY_VERSION" >/www/index.html
trap 'exit 0' TERM INT
busybox httpd -f -h /www "$@" &
wait $!
