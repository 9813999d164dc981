"""Measures the TCP state tables cell by cell, and records walks of single connections.

For a cell, a connection is put into its start state by a forged message to the backup synchronisation daemon; then one packet
is sent and the state is read.
"""
import struct
import time

from golden import emit, proc_net
from lab import Lab, ip4, tcp, udp
from walks import WALKS

STATES = ['NONE', 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK', 'LISTEN', 'SYNACK']
ACTIVE = {'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'SYNACK'}
EVENTS = {'SYN': 'S', 'FIN': 'F', 'ACK': 'A', 'RST': 'R', 'none of these': ''}
CLIENT, VIRTUAL, SERVER = '10.1.0.2', '10.1.0.100', '10.2.0.2'
COLUMNS = {'INPUT': (81, '-m', 81), 'OUTPUT': (82, '-m', 82), 'INPUT-ONLY': (83, '-g', 83)}


def forge(lab, records):
    """A version 1 synchronisation message with RECORDS (client port, virtual port, state)."""
    body = b''
    for client_port, port, state in records:
        flags = 0 if STATES[state] in ACTIVE else 0x100
        body += struct.pack('!BBHIHHHHII4s4s4s', 0, 6, 36, flags, state, client_port, port, port, 0, 0, ip4(CLIENT), ip4(VIRTUAL), ip4(SERVER))
    message = struct.pack('!BBHBBH', 0, 0, 8 + len(body), len(records), 1, 0) + body
    packet = udp('10.2.0.2', 8848, '224.0.0.81', 8848, message, ttl=1)
    lab.sock['r0'].send(bytes.fromhex('01005e000051') + lab.mr + b'\x08\0' + packet)


def read():
    rows = [line.split() for line in proc_net('d', 'ip_vs_conn').splitlines()[1:]]
    return {(int(row[2], 16), int(row[4], 16)): (row[7], int(row[8])) for row in rows}


def measure(lab, table, first_port):
    for column, (port, _, _) in COLUMNS.items():
        cells = {(event, state): first_port + 20 * number + state for number, event in enumerate(EVENTS) for state in range(len(STATES))}
        for event in EVENTS:
            forge(lab, [(cells[event, state], port, state) for state in range(len(STATES))])
            time.sleep(0.05)
        # NONE lasts two seconds only, so no time is lost between here and the packets
        before = read()
        for (event, state), client_port in cells.items():
            if column == 'OUTPUT':
                lab.r(tcp(SERVER, port, CLIENT, client_port, EVENTS[event], seq=5001, ack=1))
            else:
                lab.c(tcp(CLIENT, client_port, VIRTUAL, port, EVENTS[event], seq=1001, ack=1))
        time.sleep(0.05)
        after = read()
        lab.flush()
        for event in EVENTS:
            line = {'table': table, 'column': column, 'event': event, 'to': {}, 'expires': {}}
            for state, name in enumerate(STATES):
                key = cells[event, state], port
                found = before.get(key, ('absent', 0))[0]
                if found != name:
                    line.setdefault('odd', {})[name] = found
                line['to'][name], line['expires'][name] = after.get(key, ('absent', 0))
            emit('tables.jsonl' if table == 'normal' else 'later-secure.jsonl', line)


def tables():
    lab = Lab()
    for port, method, _ in COLUMNS.values():
        lab.adm(f'-A -t {VIRTUAL}:{port} -s rr')
        lab.adm(f'-a -t {VIRTUAL}:{port} -r {SERVER}:{port} {method}')
    lab.adm('--start-daemon backup --mcast-interface d1')
    time.sleep(1)
    emit('tables.jsonl', {'states': STATES, 'active': [name for name in STATES if name in ACTIVE]})
    emit('tables.jsonl', {'timeouts': {'NONE': 2, 'ESTABLISHED': 900, 'SYN_SENT': 120, 'SYN_RECV': 60, 'FIN_WAIT': 120, 'TIME_WAIT': 120,
                                       'CLOSE': 10, 'CLOSE_WAIT': 60, 'LAST_ACK': 30, 'LISTEN': 120, 'SYNACK': 120, 'UDP': 300}})
    measure(lab, 'normal', 20000)
    lab.sysctl('secure_tcp', 3)
    time.sleep(2.5)
    emit('later-secure.jsonl', {'sysctl': {'net.ipv4.vs.secure_tcp': 3}})
    measure(lab, 'secure', 30000)
    lab.adm('--stop-daemon backup')
    lab.sysctl('secure_tcp', 0)
    time.sleep(1.5)
    lab.adm('-C')
    return lab


def counters(lab, service):
    active = inactive = 0
    for line in lab.adm(f'-L -n {service}').splitlines()[3:]:
        words = line.split()
        active, inactive = active + int(words[4]), inactive + int(words[5])
    return active, inactive


def walk(lab, number, note, method, family, protocol, steps):
    client, virtual, server = (CLIENT, VIRTUAL, SERVER) if family == 4 else ('2001:db8:1::2', '2001:db8:1::100', '2001:db8:2::2')
    port, client_port = 9000 + number, 10000 + number
    show = (lambda address: address) if family == 4 else (lambda address: f'[{address}]')
    service = f'-{protocol[0]} {show(virtual)}:{port}'
    lab.adm(f'-A {service} -s rr')
    lab.adm(f'-a {service} -r {show(server)}:{port} {method}')
    done = []
    for step in steps:
        side, _, flags = step.partition(':')
        if side == 'wait':
            time.sleep(float(flags))
        elif side == 'set':
            lab.adm(f'--set {flags}')
        else:
            source, target = ((client, client_port), (virtual, port)) if side == 'client' else ((server, port), (client, client_port))
            packet = tcp(*source, *target, flags, seq=1001, ack=5001) if protocol == 'tcp' else udp(*source, *target, b'data')
            (lab.c if side == 'client' else lab.r)(packet)
            time.sleep(0.02)
        found = [(state, expires) for (key_client, key_port), (state, expires) in read().items() if (key_client, key_port) == (client_port, port)]
        state, expires = found[0] if found else (None, None)
        active, inactive = counters(lab, service)
        done.append({'step': step, 'state': state, 'expires': expires, 'active': active, 'inactive': inactive})
    emit('walks.jsonl', {'note': note, 'method': method, 'family': family, 'protocol': protocol, 'steps': done})
    lab.adm(f'-D {service}')
    lab.flush()


def main():
    lab = tables()
    for number, (note, method, family, protocol, steps) in enumerate(WALKS):
        walk(lab, number, note, method, family, protocol, steps)


main()
