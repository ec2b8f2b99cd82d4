#!/bin/sh
# Called by busybox udhcpc in a guest's network namespace, but with the host's programs and files.
# Sets the address up, and tells what the server said in the file $BERTH_RESULT.
case "$1" in
deconfig)
	ip -4 addr flush dev "$interface"
	ip link set "$interface" up
	;;
bound | renew)
	ip addr replace "$ip/$mask" broadcast + dev "$interface" || exit 1
	for router in $router; do
		ip route replace default via "$router" dev "$interface"
		break
	done
	printf 'ip=%s/%s\ndns=%s\ndomain=%s\n' "$ip" "$mask" "$dns" "$domain" >"$BERTH_RESULT"
	;;
esac
