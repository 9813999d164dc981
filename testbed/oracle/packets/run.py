"""Records every frame that goes into the director and every frame that comes out, for each forwarding method."""
import os
import shlex
import struct
import time

from frames import *
from golden import call, emit, proc_net
from lab import Lab, sh

CLIENT = {4: '10.1.0.2', 6: '2001:db8:1::2'}
CLIENT_ROUTER = {4: '10.1.0.9', 6: '2001:db8:1::5'}
VIRTUAL = {4: '10.1.0.100', 6: '2001:db8:1::100'}
SERVER = {4: '10.2.0.', 6: '2001:db8:2::'}
METHODS = {'-m': 'nat', '-g': 'direct', '-i': 'tunnel'}
ADDRESSES = {
    'client': {'interface': 'c0', 'addresses': [CLIENT[4], CLIENT[6]], 'networks': ['10.1.0.0/24', '2001:db8:1::/64', '11.0.0.0/8']},
    'director': {'client side d0': ['10.1.0.1/24', '2001:db8:1::1/64'], 'server side d1': ['10.2.0.1/24', '2001:db8:2::1/64'],
                 'lo': ['10.1.0.100/32', '10.1.0.101/32', '2001:db8:1::100/128']},
    'server': {'interface': 'r0', 'addresses': ['10.2.0.2 to 10.2.0.11', '2001:db8:2::2 to 2001:db8:2::b'],
               'networks': ['10.2.0.0/24', '2001:db8:2::/64', '12.0.0.0/8']},
}


def text(address, port):
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


def server(family, last):
    return SERVER[family] + str(last)


class Recorder:
    """One golden file with a lab of its own."""

    def __init__(self, name, setup):
        for namespace in 'cdr':
            sh(f'ip netns del {namespace}', check=False, q=True)
        self.name, self.lab = name + '.jsonl', Lab()
        sh('sysctl -qw net.ipv4.icmp_msgs_per_sec=100000', check=False, q=True)
        sh('ip netns exec d sysctl -qw net.ipv6.icmp.ratelimit=0')
        emit(self.name, {'setup': setup})
        emit(self.name, {'addresses': ADDRESSES})
        for line in setup:
            self.lab.adm(line)
        time.sleep(0.3)
        self.lab.flush()

    def state(self):
        rows = [line.split() for line in proc_net('d', 'ip_vs_conn').splitlines()[1:]]
        conns = sorted(row[:8] + [int(row[8])] for row in rows)
        servers, service = [], None
        for line in proc_net('d', 'ip_vs').splitlines()[3:]:
            words = line.split()
            if words[0] == '->':
                servers.append([service, words[1], int(words[4]), int(words[5])])
            else:
                service = ' '.join(words[:2])
        return {'conns': conns, 'servers': sorted(servers)}

    def step(self, note, side, packet, **more):
        (self.lab.c if side == 'client' else self.lab.r)(packet)
        out = [{'to': 'server', 'packet': frame.hex()} for frame in self.lab.rx('r0', 0.03)]
        out += [{'to': 'client', 'packet': frame.hex()} for frame in self.lab.rx('c0', 0.03)]
        emit(self.name, {'note': note, 'from': side, 'packet': packet.hex(), 'out': out} | more | self.state())
        return [bytes.fromhex(frame['packet']) for frame in out]

    def c(self, note, packet, **more):
        return self.step(note, 'client', packet, **more)

    def r(self, note, packet, **more):
        return self.step(note, 'server', packet, **more)

    def ipvsadm(self, line):
        done = call('d', 'ipvsadm', shlex.split(line))
        emit(self.name, {'ipvsadm': line, 'exit': done['exit']} | self.state())

    def sysctl(self, name, value):
        sh(f'ip netns exec d sysctl -qw {name}={value}')
        emit(self.name, {'sysctl': {name: value}})

    def mtu(self, device, size):
        """The director's interface only: the far end still takes what comes."""
        sh(f'ip -n d link set {device} mtu {size}')
        time.sleep(0.2)
        self.lab.flush()
        emit(self.name, {'mtu': {device: size}})

    def wait(self, seconds):
        time.sleep(seconds)
        emit(self.name, {'wait': seconds} | self.state())

    def end(self):
        """The statistics once the estimator has run over all of it."""
        time.sleep(4.5)
        answer = call('d', 'ipvsadm', ['-L', '-n', '--stats', '--exact'])
        emit(self.name, {'stats': answer['stdout']} | self.state())


STACK = {'by': 'stack'}  # what comes out was made by the director's own TCP/IP, which got the packet unchanged


def tunnelled(method):
    return method == '-i'


def basic(name, family, method, far=None):
    """The life of connections with one method. FAR = family of the real server when it differs."""
    far = far or family
    c, v, s = CLIENT[family], VIRTUAL[family], server(far, 2)
    nat = method == '-m'
    to, uto = (8000, 5353) if nat else (80, 53)
    setup = [f'-A -t {text(v, 80)} -s rr', f'-a -t {text(v, 80)} -r {text(s, to)} {method}',
             f'-A -u {text(v, 53)} -s rr', f'-a -u {text(v, 53)} -r {text(s, uto)} {method}']
    g = Recorder(name, setup)
    def up(port, flags, **more):
        return tcp(c, port, v, 80, flags, **more)
    def down(port, flags, **more):
        return tcp(s, to, c, port, flags, **more) if nat else tcp(v, 80, c, port, flags, **more)
    df = {'df': True} if family == 4 else {}
    g.c('SYN with options', up(4001, 'S', seq=1000, opts=MSS, ident=0x1234, tos=0x10, **df))
    g.c('SYN again', up(4001, 'S', seq=1000, opts=MSS, ident=0x1235, tos=0x10, **df))
    if nat:
        g.r('SYN+ACK reply', down(4001, 'SA', seq=5000, ack=1001, opts=MSS, ident=0, **df))
    g.c('ACK', up(4001, 'A', seq=1001, ack=5001, **df))
    g.c('seven bytes of data', up(4001, 'PA', seq=1001, ack=5001, data=b'request', **df))
    if nat:
        g.r('nine bytes of reply', down(4001, 'PA', seq=5001, ack=1008, data=b'the reply', **df))
        g.r('reply with hop limit 2', down(4001, 'A', seq=5010, ack=1008, ttl=2, **df))
        g.r('reply with hop limit 1', down(4001, 'A', seq=5010, ack=1008, ttl=1, **df))
        g.r('reply with ECN and DSCP', down(4001, 'A', seq=5010, ack=1008, tos=0xbb, **df))
        g.r('reply with a wrong TCP checksum', spoiled(down(4001, 'A', seq=5010, ack=1008), 36 if family == 4 else 56))
        g.r('reply from another port of the server, no connection', tcp(s, to + 1, c, 4001, 'A', seq=1))
        g.r('reply to another client port, no connection', tcp(s, to, c, 4999, 'A', seq=1))
    elif far == family:
        g.r('a reply of the server by way of the director', down(4001, 'SA', seq=5000, ack=1001, **df), by='stack')
        g.r('a packet of the server itself', tcp(s, 80, c, 4001, 'A', seq=1), by='stack')
    g.c('data, 1,000 bytes', up(4001, 'PA', seq=1008, ack=5010, data=bytes(range(250)) * 4, **df))
    g.c('hop limit 2', up(4001, 'A', seq=2008, ack=5010, ttl=2, **df))
    g.c('hop limit 1', up(4001, 'A', seq=2008, ack=5010, ttl=1, **df))
    g.c('hop limit 255', up(4001, 'A', seq=2008, ack=5010, ttl=255, **df))
    for value in (0x01, 0x02, 0x03, 0xfc, 0xbb):
        g.c(f'traffic class {value:#04x}', up(4001, 'A', seq=2008, ack=5010, tos=value, **df))
    if family == 4:
        g.c('DF clear, identification 0xbeef', up(4001, 'A', seq=2008, ack=5010, ident=0xbeef))
        g.c('DF set, identification 0', up(4001, 'A', seq=2008, ack=5010, ident=0, df=True))
        g.c('options: three NOP and an end', with_options(up(4001, 'PA', seq=2008, ack=5010, data=b'opt'), b'\1\1\1\0'))
        g.c('option: record route with room for one', with_options(up(4001, 'PA', seq=2008, ack=5010, data=b'opt'), bytes([7, 7, 4, 0, 0, 0, 0, 0])))
        g.c('option: loose source route, already at its end', with_options(up(4001, 'A', seq=2008, ack=5010), bytes([131, 7, 8, 10, 1, 0, 9, 0])))
        g.c('options: 40 bytes of NOP', with_options(up(4001, 'PA', seq=2008, ack=5010, data=b'x'), b'\1' * 40))
        g.c('wrong IP header checksum', spoiled(up(4001, 'A', seq=2008, ack=5010), 10))
        if nat:
            g.r('reply with options: three NOP and an end', with_options(down(4001, 'PA', seq=5010, ack=2008, data=b'opt'), b'\1\1\1\0'))
    else:
        g.c('flow label', with_flow_label(up(4001, 'A', seq=2008, ack=5010), 0xabcde))
        g.c('hop-by-hop header with padding', with_extension(up(4001, 'PA', seq=2008, ack=5010, data=b'ext'), 0, bytes([1, 4, 0, 0, 0, 0])))
        g.c('destination options header', with_extension(up(4001, 'PA', seq=2008, ack=5010, data=b'ext'), 60, bytes([1, 4, 0, 0, 0, 0])))
        g.c('hop-by-hop and destination options', with_extension(with_extension(up(4001, 'PA', seq=2008, ack=5010, data=b'ext'), 60, bytes([1, 4, 0, 0, 0, 0])), 0, bytes([1, 4, 0, 0, 0, 0])))
        if nat:
            g.r('reply with a flow label', with_flow_label(down(4001, 'A', seq=5010, ack=2008), 0x12345))
            g.r('reply with destination options', with_extension(down(4001, 'PA', seq=5010, ack=2008, data=b'ext'), 60, bytes([1, 4, 0, 0, 0, 0])))
    g.c('wrong TCP checksum', spoiled(up(4001, 'PA', seq=2008, ack=5010, data=b'bad'), 36 if family == 4 else 56))
    padded = up(4001, 'A', seq=2008, ack=5010)
    g.c('six bytes of link padding after the packet', padded + b'\xaa' * 6)
    g.c('urgent data', up(4001, 'PAU', seq=2008, ack=5010, data=b'!'))
    g.c('FIN', up(4001, 'FA', seq=2009, ack=5010, **df))
    if nat:
        g.r('FIN of the server', down(4001, 'FA', seq=5010, ack=2010, **df))
    g.c('last ACK', up(4001, 'A', seq=2010, ack=5011, **df))
    g.c('SYN, second connection', up(4002, 'S', **df))
    g.c('RST in SYN_RECV', up(4002, 'R', seq=1001, **df))
    g.c('SYN, third connection', up(4003, 'S', **df))
    g.c('ACK', up(4003, 'A', seq=1001, ack=5001, **df))
    g.c('RST+ACK', up(4003, 'RA', seq=1001, ack=5001, **df))
    if nat:
        g.c('SYN, fourth connection', up(4004, 'S', **df))
        g.r('RST+ACK: refused by the server', down(4004, 'RA', seq=0, ack=1001, **df))
    g.c('SYN+ACK starts a connection', up(4005, 'SA', ack=7, **df))
    g.c('SYN+FIN starts a connection', up(4006, 'SF', **df))
    g.c('SYN+RST starts none', up(4007, 'SR', **df), **STACK)
    g.c('ACK without connection', up(4008, 'A', ack=77, **df), **STACK)
    g.c('FIN without connection', up(4008, 'F', **df), **STACK)
    g.c('RST without connection', up(4008, 'R', **df), **STACK)
    g.c('no flag, without connection', up(4008, '', **df), **STACK)
    g.c('SYN from port 20', up(20, 'S', **df), **STACK)
    g.c('SYN from port 0', up(0, 'S', **df))
    g.c('SYN with data (no cookie)', up(4009, 'S', data=b'early', **df))
    g.c('SYN to another port', tcp(c, 4010, v, 81, 'S', **df), **STACK)
    g.c('UDP to another port', udp(c, 4010, v, 54, b'nobody', **df), **STACK)
    g.c('SYN to the director itself', tcp(c, 4011, '10.1.0.1' if family == 4 else '2001:db8:1::1', 80, 'S', **df), **STACK)
    g.c('SYN to a server, past the service', tcp(c, 4012, server(family, 2), 80, 'S', **df), **STACK)
    echo = 8 if family == 4 else 128
    g.c('echo request to the virtual address', icmp_any(c, v, echo, 0, b'\0\1\0\1', b'0123456789abcdef'), **STACK)
    head = 20 if family == 4 else 40
    for left in (3, 4, 8, 19):
        g.c(f'TCP cut off after {left} bytes', ipkt(c, v, 6, up(4013, 'S')[head:head + left]))
    for left in (3, 7):
        g.c(f'UDP cut off after {left} bytes', ipkt(c, v, 17, udp(c, 4013, v, 53, b'cut')[head:head + left]))
    g.c('UDP, odd length', udp(c, 5001, v, 53, b'question?', **df))
    if nat:
        g.r('UDP reply', udp(s, uto, c, 5001, b'an answer of even length', **df))
    g.c('UDP without data', udp(c, 5002, v, 53, b'', **df))
    g.c('UDP from port 20', udp(c, 20, v, 53, b'x', **df), **STACK)
    g.c('UDP with a wrong checksum', spoiled(udp(c, 5003, v, 53, b'wrong', **df), head + 6))
    g.c('UDP hop limit 1', udp(c, 5004, v, 53, b'ttl', ttl=1, **df))
    g.c('UDP hop limit 2', udp(c, 5004, v, 53, b'ttl', ttl=2, **df))
    g.c('UDP without checksum', udp(c, 5005, v, 53, b'no checksum', nocs=True, **df))
    if nat:
        g.r('UDP reply without checksum', udp(s, uto, c, 5005, b'none either', nocs=True, **df))
        g.r('UDP reply to no connection', udp(s, uto, c, 5999, b'who', **df), by='stack')
        g.c('UDP whose checksum becomes zero', udp_summing_to_zero(c, 5006, v, 53, s, uto))
        g.r('UDP reply whose checksum becomes zero', udp_reply_zero(s, uto, c, 5006, v))
    g.c('UDP of length 1,200', udp(c, 5007, v, 53, b'\x5a' * 1200, **df))
    sizes(g, family, method, far, c, v, s, to, uto)
    g.end()


def udp_reply_zero(source, port, target, target_port, seen_from):
    """A reply whose checksum comes out as zero once it comes from the virtual address, port 53."""
    head = struct.pack('!HHHH', 53, target_port, 10, 0)
    word = csum(ph(A(seen_from), A(target), 17, 10) + head + b'\0\0')
    return udp(source, port, target, target_port, struct.pack('!H', word))


def sizes(g, family, method, far, c, v, s, to, uto):
    """What is too big: path 1,500 for tunnels, 1,400 for the others."""
    nat, head = method == '-m', 40 if family == 4 else 60
    df = {'df': True} if family == 4 else {}
    def sized(port, total, **more):
        return tcp(c, port, v, 80, 'PA', seq=1001, ack=5001, data=b'\x42' * (total - head), **more)
    g.c('SYN', tcp(c, 6001, v, 80, 'S', **df))
    g.c('ACK', tcp(c, 6001, v, 80, 'A', seq=1001, ack=5001, **df))
    if tunnelled(method):
        limit = 1480 if far == 4 else 1460
    else:
        limit = 1400
        g.mtu('d1', 1400)
    g.c(f'{limit} bytes: fits', sized(6001, limit, **df))
    g.c(f'{limit + 1} bytes: too big', sized(6001, limit + 1, **df))
    g.c('1,500 bytes: too big', sized(6001, 1500, **df))
    g.c('1,500 bytes and hop limit 1', sized(6001, 1500, ttl=1, **df))
    g.c('UDP of 1,500 bytes: too big', udp(c, 6002, v, 53, b'\x43' * (1500 - head + 12), **df))
    if family == 4:
        g.c('1,500 bytes, may be fragmented', sized(6001, 1500, ident=0x7777))
        g.c('UDP of 1,500 bytes, may be fragmented', udp(c, 6003, v, 53, b'\x44' * 1472, ident=0x7778))
    g.c('SYN of 1,500 bytes starts a connection: too big', tcp(c, 6004, v, 80, 'S', data=b'\x45' * (1500 - head), **df))
    if nat:
        g.mtu('d1', 1500)
        g.mtu('d0', 1400)
        g.r('reply of 1,400 bytes: fits', tcp(s, to, c, 6001, 'PA', seq=5001, ack=1001, data=b'\x46' * (1400 - head), **df))
        g.r('reply of 1,500 bytes: too big', tcp(s, to, c, 6001, 'PA', seq=5001, ack=1001, data=b'\x47' * (1500 - head), **df))
        if family == 4:
            g.r('reply of 1,500 bytes, may be fragmented', tcp(s, to, c, 6001, 'PA', seq=5001, ack=1001, data=b'\x48' * (1500 - head), ident=0x7779))


def in_fragments(name, family, method, far=None):
    """Fragments towards the service, in order and out of it; with NAT back as well."""
    far = far or family
    c, v, s = CLIENT[family], VIRTUAL[family], server(far, 2)
    nat = method == '-m'
    to, uto = (8000, 5353) if nat else (80, 53)
    g = Recorder(name, [f'-A -u {text(v, 53)} -s rr', f'-a -u {text(v, 53)} -r {text(s, uto)} {method}',
                        f'-a -u {text(v, 53)} -r {text(server(far, 3), uto)} {method}',
                        f'-A -t {text(v, 80)} -s rr', f'-a -t {text(v, 80)} -r {text(s, to)} {method}'])
    size = 1400 if far != family or tunnelled(method) else 1448
    def send(side, note, packet, ident, order=None, size=size):
        parts = fragments(packet, size, ident)
        for place in order or range(len(parts)):
            (g.c if side == 'client' else g.r)(f'{note}: part {place + 1} of {len(parts)}', parts[place])
    body = bytes(range(256)) * 12
    send('client', 'UDP datagram of 2,508 bytes', udp(c, 7001, v, 53, body[:2500]), 0x1001)
    send('client', 'the same connection, last part first', udp(c, 7001, v, 53, body[:2500]), 0x1002, [1, 0])
    send('client', 'three parts', udp(c, 7002, v, 53, body), 0x1003)
    send('client', 'three parts, first one in the middle', udp(c, 7003, v, 53, body), 0x1004, [2, 0, 1])
    send('client', 'small parts', udp(c, 7004, v, 53, body[:600]), 0x1005, size=200)
    send('client', 'without checksum' if family == 4 else 'with checksum', udp(c, 7005, v, 53, body[:600], nocs=family == 4), 0x1006, size=400)
    send('client', 'hop limit 2', udp(c, 7006, v, 53, body[:600], ttl=2), 0x1007, size=400)
    send('client', 'hop limit 1', udp(c, 7007, v, 53, body[:600], ttl=1), 0x1008, size=400)
    g.c('SYN', tcp(c, 7101, v, 80, 'S'))
    g.c('ACK', tcp(c, 7101, v, 80, 'A', seq=1001, ack=5001))
    send('client', 'TCP segment of 2,000 bytes', tcp(c, 7101, v, 80, 'PA', seq=1001, ack=5001, data=body[:1980]), 0x1009)
    send('client', 'TCP header divided', tcp(c, 7101, v, 80, 'PA', seq=1001, ack=5001, data=body[:100]), 0x100a, size=16)
    send('client', 'SYN in parts', tcp(c, 7102, v, 80, 'S', data=body[:100]), 0x100b, size=64)
    send('client', 'ports without service', udp(c, 7103, v, 54, body[:600]), 0x100c, size=400)
    g.c('a first part alone', fragments(udp(c, 7008, v, 53, body[:600]), 400, 0x100d)[0])
    g.c('a last part alone', fragments(udp(c, 7009, v, 53, body[:600]), 400, 0x100e)[1])
    if family == 6:
        whole = fragments(udp(c, 7010, v, 53, body[:200]), 800, 0x100f)[0]
        g.c('atomic fragment', whole)
    if nat:
        # rr gave the first connection to the server added last
        send('server', 'UDP reply of 2,508 bytes', udp(server(far, 3), uto, c, 7001, body[:2500]), 0x2001)
        send('server', 'UDP reply, last part first', udp(server(far, 3), uto, c, 7001, body[:2500]), 0x2002, [1, 0])
        send('server', 'reply to no connection', udp(server(far, 3), uto, c, 7999, body[:600]), 0x2003, size=400)
    g.end()


def errors(name, family, method, far=None):
    """ICMP errors about connections, from both sides."""
    far = far or family
    c, v, s, router = CLIENT[family], VIRTUAL[family], server(far, 2), CLIENT_ROUTER[family]
    nat = method == '-m'
    to, uto = (8000, 5353) if nat else (80, 53)
    g = Recorder(name, [f'-A -t {text(v, 80)} -s rr', f'-a -t {text(v, 80)} -r {text(s, to)} {method}',
                        f'-A -u {text(v, 53)} -s rr', f'-a -u {text(v, 53)} -r {text(s, uto)} {method}'])
    df = {'df': True} if family == 4 else {}
    head = 20 if family == 4 else 40
    g.c('SYN', tcp(c, 8001, v, 80, 'S', **df))
    g.c('ACK', tcp(c, 8001, v, 80, 'A', seq=1001, ack=5001, **df))
    g.c('UDP', udp(c, 8002, v, 53, b'question', **df))
    reply = tcp(v, 80, c, 8001, 'PA', seq=5001, ack=1001, data=b'data of the reply, quoted', ttl=60, **df)
    answer = udp(v, 53, c, 8002, b'answer', ttl=60, **df)
    if family == 4:
        kinds = [(3, 4, '05140514'), (3, 3, '00000000'), (3, 1, '00000000'), (11, 0, '00000000'), (11, 1, '00000000'), (4, 0, '00000000'), (5, 1, '0a010002'), (12, 0, '14000000')]
    else:
        kinds = [(2, 0, '00000514'), (1, 4, '00000000'), (1, 0, '00000000'), (3, 0, '00000000'), (3, 1, '00000000'), (4, 1, '00000028')]
    for kind, code, rest in kinds:
        g.c(f'type {kind} code {code} from the client about a TCP reply', icmp_any(c, v, kind, code, bytes.fromhex(rest), reply))
    kind, code, rest = kinds[0][0], kinds[0][1], bytes.fromhex(kinds[0][2])
    unreachable = (3, 3) if family == 4 else (1, 4)
    g.c('too big, from a router on the way', icmp_any(router, v, kind, code, rest, reply))
    g.c('too big, 8 bytes quoted', icmp_any(router, v, kind, code, rest, reply[:head + 8]))
    g.c('too big, 4 bytes quoted', icmp_any(router, v, kind, code, rest, reply[:head + 4]))
    g.c('too big, 3 bytes quoted', icmp_any(router, v, kind, code, rest, reply[:head + 3]))
    g.c('too big, IP header not whole', icmp_any(router, v, kind, code, rest, reply[:head - 4]))
    g.c('too big, nothing quoted', icmp_any(router, v, kind, code, rest))
    g.c('too big, wrong ICMP checksum', icmp_any(router, v, kind, code, rest, reply, broken=True))
    g.c('too big, hop limit 1', icmp_any(router, v, kind, code, rest, reply, ttl=1))
    g.c('too big, hop limit 2', icmp_any(router, v, kind, code, rest, reply, ttl=2))
    g.c('too big, about no connection', icmp_any(router, v, kind, code, rest, tcp(v, 80, c, 8999, 'A')))
    g.c('too big, about a request instead of a reply', icmp_any(router, v, kind, code, rest, tcp(c, 8001, v, 80, 'A')))
    g.c('port unreachable about a UDP reply', icmp_any(c, v, *unreachable, inner=answer))
    g.c('port unreachable about a UDP reply, traffic class', icmp_any(c, v, *unreachable, inner=answer, tos=0xc0))
    if family == 4:
        g.c('quoted packet with options', icmp_any(router, v, kind, code, rest, with_options(reply, b'\1\1\1\0')))
        g.c('quoted packet is a later fragment', icmp_any(router, v, kind, code, rest, fragments(tcp(v, 80, c, 8001, 'PA', data=b'x' * 900), 400)[1]))
        g.c('quoted packet is a first fragment', icmp_any(router, v, kind, code, rest, fragments(tcp(v, 80, c, 8001, 'PA', data=b'x' * 900), 400)[0]))
        g.c('error with options', with_options(icmp_any(router, v, kind, code, rest, reply), b'\1\1\1\0'))
        g.c('error with DF, larger than the path', icmp_any(router, v, kind, code, rest, tcp(v, 80, c, 8001, 'PA', data=b'x' * 1432), df=True))
    else:
        g.c('quoted packet with destination options', icmp_any(router, v, kind, code, rest, with_extension(reply, 60, bytes([1, 4, 0, 0, 0, 0]))))
        g.c('quoted packet is a first fragment', icmp_any(router, v, kind, code, rest, fragments(tcp(v, 80, c, 8001, 'PA', data=b'x' * 900), 400)[0]))
        g.c('quoted packet is a later fragment', icmp_any(router, v, kind, code, rest, fragments(tcp(v, 80, c, 8001, 'PA', data=b'x' * 900), 400)[1]))
    if nat:
        request = tcp(c, 8001, s, to, 'PA', seq=1001, ack=5001, data=b'data of the request, quoted', ttl=61, **df)
        question = udp(c, 8002, s, uto, b'question', ttl=61, **df)
        for kind, code, rest in kinds:
            g.r(f'type {kind} code {code} from the server about a TCP request', icmp_any(s, c, kind, code, bytes.fromhex(rest), request))
        kind, code, rest = kinds[0][0], kinds[0][1], bytes.fromhex(kinds[0][2])
        way = server(family, 9)
        g.r('too big, from a router among the servers', icmp_any(way, c, kind, code, rest, request))
        g.r('too big, 8 bytes quoted', icmp_any(way, c, kind, code, rest, request[:head + 8]))
        g.r('too big, wrong ICMP checksum', icmp_any(way, c, kind, code, rest, request, broken=True))
        g.r('too big, hop limit 1', icmp_any(way, c, kind, code, rest, request, ttl=1))
        g.r('too big, hop limit 2', icmp_any(way, c, kind, code, rest, request, ttl=2))
        g.r('too big, about no connection', icmp_any(way, c, kind, code, rest, tcp(c, 8999, s, to, 'A')), by='stack')
        g.r('port unreachable about a UDP request', icmp_any(s, c, *unreachable, inner=question))
        echo = 8 if family == 4 else 128
        g.r('echo request of the server to the client', icmp_any(s, c, echo, 0, b'\0\1\0\1', b'ping'), by='stack')
    elif family == 4 and far == 4:
        plain = tcp(c, 8001, v, 80, 'PA', seq=1001, ack=5001, data=b'quoted', ttl=61, df=True)
        g.r('port unreachable from the server, with the virtual address', icmp_any(v, c, 3, 3, inner=plain), by='stack')
        g.r('port unreachable from the server, with its own address', icmp_any(s, c, 3, 3, inner=plain), by='stack')
    if tunnelled(method) and family == 4 and far == 4:
        big = tcp(c, 8001, v, 80, 'PA', seq=1001, ack=5001, data=b'\x42' * 1400, df=True)
        outer = g.c('a big packet for the tunnel', big)[0]
        way = server(4, 9)
        g.r('too big, about the tunnel, all of it quoted', icmp_any(way, '10.2.0.1', 3, 4, struct.pack('!HH', 0, 1400), outer[:548]))
        g.c('the next big packet', big)
        g.r('too big, about the tunnel, 28 bytes quoted', icmp_any(way, '10.2.0.1', 3, 4, struct.pack('!HH', 0, 1300), outer[:28]))
        g.c('the next big packet', big)
        g.r('host unreachable, about the tunnel', icmp_any(way, '10.2.0.1', 3, 1, inner=outer[:548]))
        g.r('protocol unreachable, about the tunnel', icmp_any(s, '10.2.0.1', 3, 2, inner=outer[:548]))
        g.r('time exceeded, about the tunnel', icmp_any(way, '10.2.0.1', 11, 0, inner=outer[:548]))
        g.r('host unreachable, about the tunnel, wrong ICMP checksum', icmp_any(way, '10.2.0.1', 3, 1, inner=outer[:548], broken=True))
        g.r('host unreachable, about a tunnel that is none', icmp_any(way, '10.2.0.1', 3, 1, inner=ipkt('10.2.0.1', '10.2.0.8', 4, big)[:548]))
    g.end()


def nowhere(name, family):
    """Services that have nothing to give a packet to."""
    c, v = CLIENT[family], VIRTUAL[family]
    s = server(family, 2)
    g = Recorder(name, [f'-A -t {text(v, 80)} -s rr', f'-A -t {text(v, 81)} -s wlc', f'-a -t {text(v, 81)} -r {text(s, 81)} -m -w 0',
                        f'-A -t {text(v, 82)} -s none', f'-a -t {text(v, 82)} -r {text(s, 82)} -m', f'-A -t {text(v, 83)} -s wrr',
                        f'-a -t {text(v, 83)} -r {text(s, 83)} -m -x 1', f'-A -u {text(v, 53)} -s lc'])
    for port, why in ((80, 'no server'), (81, 'weight 0'), (82, 'no scheduler')):
        g.c(f'SYN, {why}', tcp(c, 4001, v, port, 'S', opts=MSS, tos=0x10))
        g.c(f'ACK, {why}', tcp(c, 4001, v, port, 'A', ack=9), **STACK)
        g.c(f'SYN with hop limit 1, {why}', tcp(c, 4001, v, port, 'S', ttl=1))
        g.c(f'SYN from port 20, {why}', tcp(c, 20, v, port, 'S'), **STACK)
        g.c(f'SYN with much data, {why}', tcp(c, 4001, v, port, 'S', data=b'\x42' * 1400))
    g.c('SYN, the one place', tcp(c, 4002, v, 83, 'S'))
    g.c('SYN, overloaded', tcp(c, 4003, v, 83, 'S'))
    g.c('ACK of the connection that is there', tcp(c, 4002, v, 83, 'A', seq=1001, ack=9))
    g.c('UDP, no server', udp(c, 4001, v, 53, b'question'))
    g.c('UDP, no server, nothing in it', udp(c, 4001, v, 53, b''))
    parts = fragments(udp(c, 4001, v, 53, b'\x42' * 900), 400, 0x3001)
    for place, part in enumerate(parts):
        g.c(f'UDP in parts, no server: part {place + 1}', part)
    if family == 4:
        g.c('SYN with options in the IP header, no server', with_options(tcp(c, 4001, v, 80, 'S'), b'\1\1\1\0'))
    else:
        g.c('SYN with destination options, no server', with_extension(tcp(c, 4001, v, 80, 'S'), 60, bytes([1, 4, 0, 0, 0, 0])))
    g.end()


def changes(name, family, method):
    """Connections and the operator: quiescing, deletion, return, another method, the service gone."""
    c, v = CLIENT[family], VIRTUAL[family]
    nat = method == '-m'
    to = 8000 if nat else 80
    service = f'-t {text(v, 80)}'
    def rs(last):
        return f'-r {text(server(family, last), to)} {method}'
    g = Recorder(name, [f'-A {service} -s rr', f'-a {service} {rs(2)}', f'-a {service} {rs(3)}', f'-A -u {text(v, 53)} -s rr',
                        f'-a -u {text(v, 53)} -r {text(server(family, 2), 53)} {method}'])
    def up(port, flags, **more):
        return tcp(c, port, v, 80, flags, **more)
    def down(last, port, flags, **more):
        return tcp(server(family, last), to, c, port, flags, **more)
    def open_(port, last):
        g.c(f'SYN, {port} goes to .{last}', up(port, 'S'))
        g.c('ACK', up(port, 'A', seq=1001, ack=5001))
    open_(4001, 3)
    open_(4002, 2)
    g.ipvsadm(f'-e {service} {rs(3)} -w 0')
    g.c('weight 0: an old connection goes on', up(4001, 'PA', seq=1001, ack=5001, data=b'go on'))
    g.c('weight 0: SYN again on the old connection', up(4001, 'S'))
    g.c('weight 0: a new connection goes to the other', up(4003, 'S'))
    g.c('weight 0: and the next', up(4004, 'S'))
    g.ipvsadm(f'-d {service} -r {text(server(family, 3), to)}')
    g.c('deleted: the packet of its connection is dropped', up(4001, 'PA', seq=1001, ack=5001, data=b'lost'))
    g.c('deleted: and its SYN', up(4001, 'S'))
    if nat:
        g.r('deleted: its reply is still translated', down(3, 4001, 'PA', seq=5001, ack=1006, data=b'reply'))
    g.ipvsadm(f'-a {service} {rs(3)}')
    g.c('back again: the connection goes on', up(4001, 'PA', seq=1001, ack=5001, data=b'here again'))
    g.c('a new connection goes to the one that came back', up(4005, 'S'))
    g.ipvsadm(f'-D {service}')
    g.c('service deleted, another stands: dropped', up(4001, 'A', seq=1011, ack=5001))
    g.c('service deleted: a new connection', up(4006, 'S'), **STACK)
    g.ipvsadm(f'-A {service} -s wlc')
    g.c('service back without servers: dropped', up(4001, 'A', seq=1011, ack=5001))
    g.ipvsadm(f'-a {service} {rs(3)}')
    g.c('service and server back: goes on', up(4001, 'A', seq=1011, ack=5001))
    g.c('the other server is not back: dropped', up(4002, 'A', seq=1001, ack=5001))
    g.ipvsadm(f'-a {service} {rs(2)}')
    g.c('all back: goes on', up(4002, 'A', seq=1001, ack=5001))
    other = '-g' if nat else '-m'
    g.ipvsadm(f'-a {service} -r {text(server(family, 4), 80)} {method}')
    g.c('a connection to the newest', up(4007, 'S'))
    g.ipvsadm(f'-e {service} -r {text(server(family, 4), 80)} {other}')
    g.ipvsadm(f'-e {service} {rs(2)} -w 0')
    g.ipvsadm(f'-e {service} {rs(3)} -w 0')
    # The kernel keeps one route a server, and one cached by a NAT packet sends direct routing astray (it then asks for the link
    # address of the virtual address). So here what is routed directly comes first.
    both = [lambda: g.c('method changed: an old connection keeps its own', up(4007, 'A', seq=1001, ack=5001)),
            lambda: g.c('method changed: a new connection takes the new one', up(4008, 'S'))]
    for step in reversed(both) if nat else both:
        step()
    g.ipvsadm(f'-e {service} -r {text(server(family, 4), 80)} -i')
    g.c('method changed to tunnel', up(4009, 'S'))
    g.ipvsadm(f'-e {service} -r {text(server(family, 4), 80)} {other} -w 0')
    g.c('all weights 0: no new connection', up(4010, 'S'))
    g.c('all weights 0: old connections go on', up(4001, 'A', seq=1011, ack=5001))
    g.ipvsadm(f'-E {service} -s none')
    g.c('no scheduler: old connections go on', up(4001, 'A', seq=1011, ack=5001))
    g.c('UDP', udp(c, 4011, v, 53, b'one'))
    g.ipvsadm(f'-d -u {text(v, 53)} -r {text(server(family, 2), 53)}')
    g.c('UDP, its server deleted', udp(c, 4011, v, 53, b'two'))
    g.ipvsadm(f'-a -u {text(v, 53)} -r {text(server(family, 2), 53)} {method}')
    g.c('UDP, its server back', udp(c, 4011, v, 53, b'three'))
    g.ipvsadm('-C')
    g.c('no service at all: the packet of a connection', up(4001, 'A', seq=1011, ack=5001), **STACK)
    if nat:
        g.r('no service at all: the reply of a connection', down(3, 4001, 'A', seq=5006, ack=1011), **STACK)
    g.ipvsadm(f'-A {service} -s rr')
    g.ipvsadm(f'-a {service} {rs(3)}')
    g.c('all made anew: the connection goes on', up(4001, 'A', seq=1011, ack=5001))
    g.end()


def reuse(name, family, method):
    """The same client port again, after every ending."""
    c, v = CLIENT[family], VIRTUAL[family]
    nat = method == '-m'
    to = 8000 if nat else 80
    service = f'-t {text(v, 80)}'
    g = Recorder(name, [f'-A {service} -s rr'] + [f'-a {service} -r {text(server(family, last), to)} {method}' for last in (2, 3, 4)])
    def up(port, flags, **more):
        return tcp(c, port, v, 80, flags, **more)
    last = [5]
    def open_(port):
        last[0] = last[0] - 1 if last[0] > 2 else 4
        g.c(f'SYN of {port}', up(port, 'S'))
        g.c('ACK', up(port, 'A', seq=1001, ack=5001))
        return last[0]
    def down(where, port, flags):
        g.r(f'{flags} of the server', tcp(server(family, where), to, c, port, flags, seq=5001, ack=1002))
    where = open_(4001)
    g.c('SYN in ESTABLISHED: same connection', up(4001, 'S', seq=9000))
    if nat:
        where = open_(4002)
        g.c('FIN', up(4002, 'FA', seq=1001, ack=5001))
        g.c('SYN in CLOSE_WAIT', up(4002, 'S', seq=9000))
        where = open_(4003)
        g.c('FIN', up(4003, 'FA', seq=1001, ack=5001))
        down(where, 4003, 'FA')
        g.c('SYN in TIME_WAIT: a new connection', up(4003, 'S', seq=9000))
        last[0] = last[0] - 1 if last[0] > 2 else 4
        where = open_(4004)
        down(where, 4004, 'FA')
        g.c('SYN in FIN_WAIT', up(4004, 'S', seq=9000))
        where = open_(4005)
        down(where, 4005, 'R')
        g.c('ACK in CLOSE', up(4005, 'A', seq=1001, ack=5001))
        g.c('SYN in CLOSE: a new connection', up(4005, 'S', seq=9000))
    else:
        open_(4003)
        g.c('FIN', up(4003, 'FA', seq=1001, ack=5001))
        g.c('SYN in FIN_WAIT', up(4003, 'S', seq=9000))
        g.c('RST in SYN_RECV', up(4003, 'R', seq=9001))
        g.c('FIN in SYN_RECV: TIME_WAIT', up(4003, 'F', seq=9001))
        g.c('SYN in TIME_WAIT: a new connection', up(4003, 'S', seq=10000))
    open_(4006)
    g.c('RST', up(4006, 'R', seq=1001))
    g.c('ACK in CLOSE', up(4006, 'A', seq=1001, ack=5001))
    g.c('SYN+ACK in CLOSE: a new connection', up(4006, 'SA', seq=9000, ack=1))
    g.c('no flag: CLOSE', up(4006, '', seq=9001))
    g.c('SYN+RST in CLOSE: the connection ends, none begins', up(4006, 'SR', seq=9002), **STACK)
    g.wait(12)
    g.c('ACK after the end of a connection', up(4006, 'A', seq=9001, ack=1), **STACK)
    if nat:
        g.r('reply after the end of a connection', tcp(server(family, 2), to, c, 4006, 'A', seq=1), by='stack')
    g.end()


def local(name, family):
    """Real servers that are the director itself. No program listens there: the stack answers."""
    c, v = CLIENT[family], VIRTUAL[family]
    own = '10.1.0.1' if family == 4 else '2001:db8:1::1'
    setup = [f'-A -t {text(v, 80)} -s rr', f'-a -t {text(v, 80)} -r {text(own, 8000)} -m', f'-A -t {text(v, 81)} -s rr',
             f'-a -t {text(v, 81)} -r {text(v, 81)} -g', f'-A -t {text(v, 82)} -s rr', f'-a -t {text(v, 82)} -r {text(own, 82)} -i',
             f'-A -t {text(v, 83)} -s rr', f'-a -t {text(v, 83)} -r {text("127.0.0.1" if family == 4 else "::1", 83)} -g',
             f'-A -t {text(v, 84)} -s rr', f'-a -t {text(v, 84)} -r {text("127.0.0.1" if family == 4 else "::1", 84)} -m',
             f'-A -u {text(v, 53)} -s rr', f'-a -u {text(v, 53)} -r {text(own, 5353)} -m']
    g = Recorder(name, setup)
    for port, how in ((80, 'NAT to an own address'), (81, 'direct routing to the virtual address'), (82, 'tunnel to an own address'),
                      (83, 'direct routing to loopback'), (84, 'NAT to loopback')):
        g.c(f'SYN, {how}', tcp(c, 4001, v, port, 'S'))
        g.c(f'SYN with hop limit 1, {how}', tcp(c, 4002, v, port, 'S', ttl=1))
    g.c('UDP, NAT to an own address', udp(c, 4001, v, 53, b'question'))
    g.end()


def settings(name):
    """The sysctls away from their defaults."""
    c, v, s = CLIENT[4], VIRTUAL[4], server(4, 2)
    service = f'-t {v}:80'
    g = Recorder(name, [f'-A {service} -s rr', f'-a {service} -r {s}:8000 -m', f'-a {service} -r {server(4, 3)}:8000 -m', f'-A -t {v}:81 -s rr',
                        f'-a -t {v}:81 -r {s}:81 -g', f'-a -t {v}:81 -r {server(4, 3)}:81 -g', f'-A -t {v}:82 -s rr', f'-a -t {v}:82 -r {s}:82 -i'])
    def up(port, flags, to=80, **more):
        return tcp(c, port, v, to, flags, **more)
    g.sysctl('net.ipv4.vs.sloppy_tcp', 1)
    g.c('sloppy_tcp: ACK starts a connection', up(4001, 'A', ack=9))
    g.c('sloppy_tcp: FIN starts a connection', up(4002, 'F'))
    g.c('sloppy_tcp: RST starts none', up(4003, 'R'), **STACK)
    g.sysctl('net.ipv4.vs.sloppy_tcp', 0)
    g.sysctl('net.ipv4.vs.nat_icmp_send', 1)
    g.r('nat_icmp_send: reply to no connection', tcp(s, 8000, c, 4999, 'A'))
    g.r('nat_icmp_send: RST to no connection', tcp(s, 8000, c, 4999, 'R'))
    g.sysctl('net.ipv4.vs.nat_icmp_send', 0)
    g.sysctl('net.ipv4.vs.schedule_icmp', 1)
    g.c('schedule_icmp: error about no connection', icmp_any(CLIENT_ROUTER[4], v, 3, 4, struct.pack('!HH', 0, 1300), tcp(v, 80, c, 4998, 'A')))
    g.sysctl('net.ipv4.vs.schedule_icmp', 0)
    g.sysctl('net.ipv4.vs.pmtu_disc', 0)
    g.c('SYN to the tunnel', up(4004, 'S', 82, df=True))
    g.c('pmtu_disc 0: 1,500 bytes with DF into the tunnel', up(4004, 'PA', 82, seq=1001, ack=1, data=b'\x42' * 1460, df=True))
    g.sysctl('net.ipv4.vs.pmtu_disc', 1)
    for mode in (0, 2, 1):
        g.sysctl('net.ipv4.vs.conn_reuse_mode', mode)
        port = 4010 + mode
        g.c('SYN', up(port, 'S', 81))
        g.c('ACK', up(port, 'A', 81, seq=1001, ack=1))
        g.c('FIN', up(port, 'FA', 81, seq=1001, ack=1))
        g.c(f'conn_reuse_mode {mode}: SYN in FIN_WAIT, direct routing', up(port, 'S', 81, seq=9000))
        g.c('FIN: TIME_WAIT', up(port, 'F', 81, seq=9001))
        g.c(f'conn_reuse_mode {mode}: SYN in TIME_WAIT, direct routing', up(port, 'S', 81, seq=10000))
    g.sysctl('net.ipv4.vs.expire_nodest_conn', 1)
    g.c('SYN', up(4020, 'S'))
    g.c('ACK', up(4020, 'A', seq=1001, ack=1))
    g.c('SYN', up(4021, 'S'))
    g.c('ACK', up(4021, 'A', seq=1001, ack=1))
    g.ipvsadm(f'-e {service} -r {s}:8000 -m -w 0')
    g.c('expire_nodest_conn: SYN of a connection of weight 0', up(4021, 'S', seq=9000))
    g.c('expire_nodest_conn: SYN of the other', up(4020, 'S', seq=9000))
    g.ipvsadm(f'-d {service} -r {server(4, 3)}:8000')
    g.wait(1)
    g.c('expire_nodest_conn: data of a connection whose server was deleted', up(4020, 'PA', seq=1001, ack=1, data=b'x'), **STACK)
    g.end()


def files():
    """Every golden file: its name, what records it, with what."""
    for family in (4, 6):
        for method, word in METHODS.items():
            yield f'{word}-v{family}', basic, family, method
            yield f'errors-{word}-v{family}', errors, family, method
            yield f'fragments-{word}-v{family}', in_fragments, family, method
            yield f'changes-{word}-v{family}', changes, family, method
            yield f'reuse-{word}-v{family}', reuse, family, method
        yield f'no-server-v{family}', nowhere, family
        yield f'local-node-v{family}', local, family
    for family, far in ((4, 6), (6, 4)):
        for function, word in ((basic, ''), (errors, 'errors-'), (in_fragments, 'fragments-')):
            yield f'{word}tunnel-v{family}-in-v{far}', function, family, '-i', far
    yield 'later-sysctl', settings


def main():
    only = open('only').read().split() if os.path.exists('only') else None
    for name, function, *given in files():
        if only is None or name in only:
            function(name, *given)


main()
