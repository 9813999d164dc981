# The demo: real HTTP and UDP traffic over three real servers, each with another forwarding method. Run by `make demo`,
# inside the lab (`lvs-lab run demo/demo.sh`). Ends with 1 if anything was not as it should be.
set -uo pipefail

wrong=0

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
told() { printf '%s\n' "$*" | tr '\n' ' ' | fold -s -w 100; echo; }
# Shows a command as it would be typed on that host, and runs it.
on() {
    local host=$1
    shift
    printf '%s$ %s\n' "$host" "$*"
    "$@" || { echo "   !! this command failed"; wrong=1; }
}
# The reading: what was expected, what was seen.
reading() {
    local what=$1 expected=$2 seen=$3
    if [ "$expected" = "$seen" ]; then
        printf '   -> %s: %s, as it should be\n' "$what" "$seen"
    else
        printf '   !! %s: %s expected, %s seen\n' "$what" "$expected" "$seen"
        wrong=1
    fi
}
# N web requests by curl, each on a connection of its own; prints "server1 10, server2 10, ..." of what answered.
ask_web() {
    local url=$1 count=$2
    client sh -c "for i in \$(seq $count); do curl -s -m 2 $url || echo nobody; done" | sort | uniq -c |
        awk '{ printf "%s%s %s", (NR > 1 ? ", " : ""), $2, $1 } END { print "" }'
}
ask_udp() { udp "$1" "$2" | sort -k2 | awk '{ printf "%s%s %s", (NR > 1 ? ", " : ""), $2, $1 } END { print "" }'; }

title "The lab"
told "Five hosts, each a network namespace: a client (10.1.0.2), a director (10.1.0.1 outside, 10.2.0.1 inside, and the
virtual address $VIP), and three real servers ($RIP_1, $RIP_2, $RIP_3) with nginx and a UDP server that answer with their name.
lvsd runs on the director; its eBPF programs sit on the director's two interfaces."
on director lvsctl interfaces

title "A web service over NAT, direct routing and a tunnel at once"
told "Server 1 gets its packets by NAT, server 2 by direct routing, server 3 through an IPIP tunnel, which our own
decapsulator unpacks there. The scheduler is round robin."
decap 3 >"$LAB/decap-3.log" 2>&1 &
on director ipvsadm -A -t "$VIP:80" -s rr
on director ipvsadm -a -t "$VIP:80" -r "$RIP_1:80" -m
on director ipvsadm -a -t "$VIP:80" -r "$RIP_2:80" -g
on director ipvsadm -a -t "$VIP:80" -r "$RIP_3:80" -i
told "A UDP service with weights 3, 2 and 1, and the web service once more over IPv6:"
on director ipvsadm -A -u "$VIP:9000" -s wrr
on director ipvsadm -a -u "$VIP:9000" -r "$RIP_1:9000" -m -w 3
on director ipvsadm -a -u "$VIP:9000" -r "$RIP_2:9000" -g -w 2
on director ipvsadm -a -u "$VIP:9000" -r "$RIP_3:9000" -i -w 1
on director ipvsadm -A -t "[$VIP6]:80" -s rr
on director ipvsadm -a -t "[$VIP6]:80" -r "[$RIP6_1]:80" -m
on director ipvsadm -a -t "[$VIP6]:80" -r "[$RIP6_2]:80" -g
on director ipvsadm -a -t "[$VIP6]:80" -r "[$RIP6_3]:80" -i
on director ipvsadm -Ln --stats

title "Traffic"
told "The client asks the web service 30 times with curl, over IPv4 and over IPv6, and sends 60 datagrams."
reading "30 web requests, IPv4" "server1 10, server2 10, server3 10" "$(ask_web "http://$VIP/" 30)"
reading "30 web requests, IPv6" "server1 10, server2 10, server3 10" "$(ask_web "http://[$VIP6]/" 30)"
reading "60 datagrams, weights 3, 2, 1" "server1 30, server2 20, server3 10" "$(ask_udp "$VIP:9000" 60)"
big=$(client sh -c "for i in 1 2 3; do curl -s -m 20 http://$VIP/big; done" | wc -c)
reading "three downloads of 16 MiB, one by each server" $((3 * 16 * 1024 * 1024)) "$big"

# The rest would only repeat what is wrong here, slowly.
[ $wrong = 0 ] || { told "Something was not as told: see the lines with !! above. The rest of the demo is left out."; exit 1; }

title "Why does a packet go where it goes?"
on director lvsctl explain 10.1.0.2:40000 "$VIP:80"

title "A real server is taken out and brought back"
told "Weight 0 quiesces a server: it keeps its connections and gets no new ones. Then it can be removed."
on director ipvsadm -e -t "$VIP:80" -r "$RIP_2:80" -g -w 0
reading "30 web requests, server2 quiesced" "server1 15, server3 15" "$(ask_web "http://$VIP/" 30)"
on director ipvsadm -d -t "$VIP:80" -r "$RIP_2:80"
reading "30 web requests, server2 removed" "server1 15, server3 15" "$(ask_web "http://$VIP/" 30)"
on director ipvsadm -a -t "$VIP:80" -r "$RIP_2:80" -g
back=$(ask_web "http://$VIP/" 30)
reading "30 web requests, server2 back" "server1 10, server2 10, server3 10" "$back"

title "lvsd is killed under traffic"
told "The programs and tables are pinned in the kernel: while lvsd is dead, connections go on and new ones are made. It
starts again and takes over what it finds."
ask_web "http://$VIP/" 300 >"$LAB/during-kill" &
asking=$!
sleep 0.3
on director restart-lvsd KILL
wait $asking
reading "300 web requests while lvsd died and returned" "server1 100, server2 100, server3 100" "$(cat "$LAB/during-kill")"

title "Afterwards"
told "Counters are shown as of the last estimate, which is made every two seconds, as with kernel IPVS."
sleep 3
on director ipvsadm -Ln
on director ipvsadm -Ln --stats
counted=$(ipvsadm -Ln --stats --exact | awk -v service="$VIP:80" '$1 == "TCP" && $2 == service { print $3 }')
reading "connections counted for $VIP:80 (30 + 3 + 30 + 30 + 30 + 300)" 423 "$counted"

title "Reading"
if [ $wrong = 0 ]; then
    told "Every request was answered, by the server that the scheduler's rule names, in all three forwarding methods, over IPv4
and IPv6; a server left and returned without a failed request; lvsd was killed and nobody noticed."
else
    told "Something was not as told: see the lines with !! above."
fi
exit $wrong
