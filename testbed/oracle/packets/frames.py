"""Packets that lab.py cannot build: IPv4 options, IPv6 extension headers and fragments, ICMPv6, broken headers."""
import struct

from lab import A, csum, icmp, ipkt, ph, tcp, udp

MSS = bytes.fromhex('020405b40402080a000000010000000001030307')


def with_options(packet, options):
    """PACKET (IPv4) with header options; their length is a multiple of four."""
    header = bytearray(packet[:20]) + options
    header[0] = 0x40 | len(header) // 4
    header[2:4] = struct.pack('!H', len(packet) + len(options))
    header[10:12] = b'\0\0'
    header[10:12] = struct.pack('!H', csum(bytes(header)))
    return bytes(header) + packet[20:]


def with_extension(packet, kind, body):
    """PACKET (IPv6) with one extension header in front of what it carries; BODY starts after the length byte."""
    assert (2 + len(body)) % 8 == 0
    extension = bytes([packet[6], (2 + len(body)) // 8 - 1]) + body
    length = struct.unpack('!H', packet[4:6])[0] + len(extension)
    return packet[:4] + struct.pack('!H', length) + bytes([kind]) + packet[7:40] + extension + packet[40:]


def with_flow_label(packet, label):
    first = struct.unpack('!I', packet[:4])[0] & 0xfff00000 | label
    return struct.pack('!I', first) + packet[4:]


def fragments(packet, size, ident=0x4321):
    """PACKET cut into fragments whose payload is SIZE bytes (a multiple of eight), in order."""
    v6 = packet[0] >> 4 == 6
    head, payload = (packet[:40], packet[40:]) if v6 else (packet[:20], packet[20:])
    cut = []
    for offset in range(0, len(payload), size):
        part = payload[offset:offset + size]
        more = offset + size < len(payload)
        if v6:
            extension = struct.pack('!BBHI', packet[6], 0, offset | more, ident)
            cut.append(head[:4] + struct.pack('!H', len(part) + 8) + bytes([44]) + head[7:] + extension + part)
        else:
            header = bytearray(head)
            header[2:8] = struct.pack('!HHH', 20 + len(part), ident, more << 13 | offset // 8)
            header[10:12] = b'\0\0'
            header[10:12] = struct.pack('!H', csum(bytes(header)))
            cut.append(bytes(header) + part)
    return cut


def icmp_any(source, target, kind, code, rest=b'\0\0\0\0', inner=b'', broken=False, **more):
    """ICMP or ICMPv6 by the family of SOURCE; BROKEN spoils the checksum."""
    if ':' not in source:
        packet = icmp(source, target, kind, code, rest, inner, **more)
        at = 22
    else:
        body = struct.pack('!BBH4s', kind, code, 0, rest) + inner
        sum16 = csum(ph(A(source), A(target), 58, len(body)) + body)
        packet = ipkt(source, target, 58, body[:2] + struct.pack('!H', sum16) + body[4:], **more)
        at = 42
    return packet[:at] + bytes([packet[at] ^ 0x55]) + packet[at + 1:] if broken else packet


def udp_summing_to_zero(source, port, target, target_port, sent_to, sent_port):
    """A datagram from SOURCE to TARGET whose checksum comes out as zero once it is addressed to SENT_TO:SENT_PORT."""
    head = struct.pack('!HHHH', port, sent_port, 10, 0)
    word = csum(ph(A(source), A(sent_to), 17, 10) + head + b'\0\0')
    return udp(source, port, target, target_port, struct.pack('!H', word))


def spoiled(packet, at):
    return packet[:at] + bytes([packet[at] ^ 0xff]) + packet[at + 1:]
