"""Walks of single connections: (note, method, family, protocol, steps). A step is `client:FLAGS`, `server:FLAGS`,
`wait:SECONDS` or `set:TIMEOUTS`."""


def steps(text):
    """'c:S s:SA' with the sides written out; underscores stand for blanks, an empty flag list is `c:`."""
    names = {'c': 'client', 's': 'server', 'wait': 'wait', 'set': 'set'}
    return [f'{names[word.partition(":")[0]]}:{word.partition(":")[2].replace("_", " ")}' for word in text.split()]


def tcp(note, method, text, family=4):
    return (note, method, family, 'tcp', steps(text))


def udp(note, method, text, family=4):
    return (note, method, family, 'udp', steps(text))


WALKS = [
    tcp('handshake, data, the client closes', '-m', 'c:S s:SA c:A c:PA s:A s:PA c:A c:FA s:A s:FA c:A'),
    tcp('handshake, data, the server closes', '-m', 'c:S s:SA c:A c:PA s:PA s:FA c:A c:FA s:A'),
    tcp('both close at once', '-m', 'c:S s:SA c:A c:FA s:FA c:A s:A'),
    tcp('SYN again and again', '-m', 'c:S wait:2 c:S s:SA s:SA c:S c:A'),
    tcp('refused', '-m', 'c:S s:RA'),
    tcp('refused, then tried again', '-m', 'c:S s:RA c:S s:SA c:A'),
    tcp('the client resets', '-m', 'c:S s:SA c:A c:R'),
    tcp('the client resets with ACK', '-m', 'c:S s:SA c:A c:RA'),
    tcp('the server resets', '-m', 'c:S s:SA c:A s:R'),
    tcp('reset during the handshake', '-m', 'c:S c:R s:SA c:A'),
    tcp('reset after FIN', '-m', 'c:S s:SA c:A c:FA s:R'),
    tcp('FIN during the handshake', '-m', 'c:S c:F s:FA'),
    tcp('SYN+ACK starts', '-m', 'c:SA s:A c:A'),
    tcp('SYN+FIN starts', '-m', 'c:SF s:SA c:A'),
    tcp('SYN in ESTABLISHED', '-m', 'c:S s:SA c:A c:S c:A'),
    tcp('SYN+ACK of the server in ESTABLISHED', '-m', 'c:S s:SA c:A s:SA'),
    tcp('no flags, then SYN', '-m', 'c:S s:SA c:A c: c:S'),
    tcp('push alone', '-m', 'c:S s:SA c:A c:P'),
    tcp('no flags of the server', '-m', 'c:S s:SA c:A s:'),
    tcp('all flags together', '-m', 'c:S s:SA c:A c:FSRPAU'),
    tcp('FIN+SYN in ESTABLISHED', '-m', 'c:S s:SA c:A c:FSA'),
    tcp('FIN+RST of the server', '-m', 'c:S s:SA c:A s:FR'),
    tcp('half closed for long: the client has closed', '-m', 'c:S s:SA c:A c:FA s:PA c:A s:PA c:A'),
    tcp('half closed for long: the server has closed', '-m', 'c:S s:SA c:A s:FA c:PA s:A c:PA'),
    tcp('SYN in TIME_WAIT', '-m', 'c:S s:SA c:A c:FA s:FA c:A c:S s:SA c:A'),
    tcp('SYN in CLOSE_WAIT', '-m', 'c:S s:SA c:A c:FA c:S'),
    tcp('SYN in FIN_WAIT', '-m', 'c:S s:SA c:A s:FA c:S'),
    tcp('the timer counts down and starts anew', '-m', 'c:S s:SA c:A wait:3 c:A wait:2 s:A'),
    tcp('ten seconds in CLOSE', '-m', 'c:S s:SA c:A c:R wait:6 c:A wait:6 c:A wait:6'),
    tcp('timeouts set: taken at the next packet', '-m', 'c:S s:SA c:A set:50_30_20 c:A s:FA set:900_120_300 c:A c:FA'),
    tcp('direct routing: handshake, data, close', '-g', 'c:S c:A c:PA c:PA c:FA c:A'),
    tcp('direct routing: reset', '-g', 'c:S c:A c:RA'),
    tcp('direct routing: reset in SYN_RECV', '-g', 'c:S c:R c:A'),
    tcp('direct routing: FIN twice', '-g', 'c:S c:A c:FA c:FA c:A'),
    tcp('direct routing: SYN in FIN_WAIT', '-g', 'c:S c:A c:FA c:S c:A'),
    tcp('direct routing: FIN in SYN_RECV, SYN in TIME_WAIT', '-g', 'c:S c:F c:S c:A'),
    tcp('direct routing: no flags', '-g', 'c:S c:A c: c:A c:S'),
    tcp('tunnel: handshake, data, close', '-i', 'c:S c:A c:PA c:FA c:A'),
    tcp('tunnel: reset', '-i', 'c:S c:A c:R'),
    tcp('IPv6: handshake, data, close', '-m', 'c:S s:SA c:A c:PA s:PA c:FA s:FA c:A', 6),
    tcp('IPv6: direct routing', '-g', 'c:S c:A c:PA c:FA c:A', 6),
    tcp('IPv6: tunnel', '-i', 'c:S c:A c:FA c:R', 6),
    udp('UDP: one packet each way', '-m', 'c: s: c:'),
    udp('UDP: the timer starts anew with every packet', '-m', 'c: wait:3 c: wait:2 s: set:0_0_40 c: wait:2 set:0_0_300 s:'),
    udp('UDP: direct routing', '-g', 'c: wait:2 c:'),
    udp('UDP: IPv6', '-m', 'c: s:', 6),
    udp('UDP: IPv6 tunnel', '-i', 'c: wait:2 c:', 6),
]
