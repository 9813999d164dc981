"""The sequences to record. Servers are last octets of 10.2.0.0/24; steps are described in ../../golden/README.md."""
import random


def add(*servers):
    return [{'add': list(server)} for server in servers]


def connect(count):
    return [{'connect': count}]


def packets(number, *walk):
    """WALK: 'c:A' = from the client with ACK, 's:FA' = from the real server with FIN and ACK."""
    sides = {'c': 'client', 's': 'server'}
    return [{'packet': [number, sides[step[0]], step[2:]]} for step in walk]


def established(*numbers):
    return [step for number in numbers for step in packets(number, 's:SA', 'c:A')]


def closing(*numbers):
    """Ends in TIME_WAIT: inactive for 120 s."""
    return [step for number in numbers for step in packets(number, 'c:FA', 's:FA', 'c:A')]


def reset(*numbers):
    """Ends in CLOSE: inactive for 10 s."""
    return [step for number in numbers for step in packets(number, 's:R')]


COUNT = [{'count': True}]
WAIT = [{'wait': 12}]

SPEC = [
    ('rr, equal', 'rr', add((2, 1), (3, 1), (4, 1)) + connect(9)),
    ('rr, weights only tell zero from the rest', 'rr', add((2, 1), (3, 0), (4, 5)) + connect(6)),
    ('rr, deletion under the pointer and addition', 'rr',
     add((2, 1), (3, 1), (4, 1)) + connect(2) + [{'delete': 3}] + connect(4) + add((3, 1)) + connect(6)),
    ('wrr, equal', 'wrr', add((2, 1), (3, 1), (4, 1)) + connect(9)),
    ('wrr, 4:3:2', 'wrr', add((2, 4), (3, 3), (4, 2)) + connect(27)),
    ('wrr, 2:4:6', 'wrr', add((2, 2), (3, 4), (4, 6)) + connect(18)),
    ('wrr, 3:5', 'wrr', add((2, 3), (3, 5)) + connect(24)),
    ('wrr, one of weight zero', 'wrr', add((2, 0), (3, 5)) + connect(6)),
    ('wrr, addition and quiescing', 'wrr',
     add((2, 1), (3, 2)) + connect(4) + add((4, 4)) + connect(10) + [{'edit': [4, 0]}] + connect(6)),
    ('lc, weights ignored', 'lc', add((2, 1), (3, 10), (4, 1)) + connect(9) + COUNT),
    ('wlc, 1:2:1', 'wlc', add((2, 1), (3, 2), (4, 1)) + connect(12) + COUNT),
    ('wlc, 3:2:1', 'wlc', add((2, 3), (3, 2), (4, 1)) + connect(18) + COUNT),
]

HAND = [
    *[(f'{name}, no server', name, connect(2)) for name in ('rr', 'wrr', 'lc', 'wlc')],
    *[(f'{name}, all quiesced, then one back', name,
       add((2, 0), (3, 0)) + connect(2) + [{'edit': [2, 3]}] + connect(3) + [{'edit': [2, 0]}] + connect(1))
      for name in ('rr', 'wrr', 'lc', 'wlc')],
    *[(f'{name}, one server', name, add((2, 7)) + connect(4)) for name in ('rr', 'wrr', 'lc', 'wlc')],
    ('rr, quiescing the server under the pointer', 'rr',
     add((2, 1), (3, 1), (4, 1), (5, 1)) + connect(2) + [{'edit': [4, 0]}] + connect(4) + [{'edit': [4, 1]}] + connect(5)),
    ('rr, deletion of the head, the tail and all', 'rr',
     add((2, 1), (3, 1), (4, 1), (5, 1)) + connect(1) + [{'delete': 5}] + connect(3) + [{'delete': 2}] + connect(3) + [{'delete': 3}, {'delete': 4}]
     + connect(1) + add((6, 1), (7, 1)) + connect(3)),
    ('rr, deletion before the first connection', 'rr', add((2, 1), (3, 1), (4, 1)) + [{'delete': 4}] + connect(4)),
    ('rr, thresholds 2, 3 and 4', 'rr', add((2, 1, 2, 0), (3, 1, 3, 1), (4, 1, 4, 0)) + connect(11) + COUNT),
    ('wrr, thresholds 2, 3 and 4', 'wrr', add((2, 1, 2, 0), (3, 2, 3, 1), (4, 3, 4, 0)) + connect(11) + COUNT),
    ('lc, thresholds 2, 3 and 4', 'lc', add((2, 1, 2, 0), (3, 2, 3, 1), (4, 3, 4, 0)) + connect(11) + COUNT),
    ('wlc, thresholds 2, 3 and 4', 'wlc', add((2, 1, 2, 0), (3, 2, 3, 1), (4, 3, 4, 0)) + connect(11) + COUNT),
    ('threshold 4 reached, raised to 5, 6, taken away', 'rr',
     add((2, 1, 4, 0)) + connect(5) + [{'edit': [2, 1, 5, 0]}] + connect(2) + [{'edit': [2, 1, 6, 0]}] + connect(2) + [{'edit': [2, 1, 0, 0]}] + connect(2)
     + [{'edit': [2, 1, 3, 0]}] + connect(1)),
    ('threshold 4, lower 0 stands for 3: free again below 3', 'rr',
     add((2, 1, 4, 0)) + connect(5) + reset(1) + WAIT + connect(1) + COUNT + reset(2) + WAIT + connect(3) + COUNT),
    ('threshold 4, lower 2: free again below 2', 'wlc',
     add((2, 1, 4, 2)) + connect(5) + reset(1, 2) + WAIT + connect(1) + COUNT + reset(3) + WAIT + connect(4) + COUNT),
    ('threshold: inactive connections count', 'lc', add((2, 1, 2, 0), (3, 1, 0, 0)) + connect(3) + established(1, 2) + closing(1, 2) + connect(4) + COUNT),
    ('threshold set below the present number', 'rr', add((2, 1), (3, 1)) + connect(6) + [{'edit': [2, 1, 2, 1]}] + connect(3) + [{'edit': [3, 1, 5, 0]}] + connect(3) + COUNT),
    ('lc, active against inactive', 'lc',
     add((2, 1), (3, 1), (4, 1)) + connect(6) + established(1, 2, 3, 4) + closing(1, 4) + COUNT + connect(6) + COUNT),
    ('wlc, active against inactive', 'wlc',
     add((2, 2), (3, 1), (4, 3)) + connect(12) + established(1, 2, 3, 5, 7) + closing(2, 5, 7) + COUNT + connect(10) + COUNT),
    ('lc, connections end', 'lc', add((2, 1), (3, 1)) + connect(6) + reset(2, 4, 6) + connect(2) + COUNT + WAIT + connect(4) + COUNT),
    ('wlc, a removed server comes back with its connections', 'wlc',
     add((2, 1), (3, 1), (4, 1)) + connect(6) + [{'delete': 4}] + connect(2) + add((4, 1)) + COUNT + connect(6) + COUNT),
    ('lc, a removed server comes back with its connections', 'lc',
     add((2, 1), (3, 1)) + connect(4) + established(1, 2) + [{'delete': 3}] + connect(1) + add((3, 4)) + COUNT + connect(4) + COUNT),
    ('wrr, weights changed live', 'wrr',
     add((2, 3), (3, 6), (4, 9)) + connect(7) + [{'edit': [4, 3]}] + connect(7) + [{'edit': [2, 12]}] + connect(9) + [{'delete': 2}] + connect(5)),
    ('wrr, large weights', 'wrr', add((2, 65535), (3, 65534), (4, 1)) + connect(12)),
    ('wrr, gcd from 4 to 1 and back', 'wrr', add((2, 4), (3, 8)) + connect(5) + add((4, 3)) + connect(9) + [{'delete': 4}] + connect(7)),
    ('scheduler changed live', 'rr',
     add((2, 1), (3, 2), (4, 3)) + connect(4) + [{'scheduler': 'wrr'}] + connect(7) + [{'scheduler': 'wlc'}] + connect(6) + [{'scheduler': 'lc'}] + connect(5)
     + [{'scheduler': 'rr'}] + connect(4) + [{'scheduler': 'none'}] + connect(1) + [{'scheduler': 'wrr'}] + connect(6) + COUNT),
    ('lc, overhead of one active against many inactive', 'lc',
     add((2, 1)) + connect(5) + established(1, 2, 3, 4, 5) + closing(1, 2, 3, 4, 5) + add((3, 1)) + connect(3) + COUNT),
    ('wlc, very large weights', 'wlc', add((2, 2147483647), (3, 1073741824), (4, 1)) + connect(9) + COUNT),
]


def random_sequence(name, seed):
    """Servers, weights and changes drawn from a seed, so that a second recording asks the same questions."""
    draw = random.Random(f'{name} {seed}')
    servers = draw.sample(range(2, 12), draw.randint(3, 8))
    weights = {server: draw.randint(0, 9) for server in servers}
    steps = add(*weights.items()) + connect(draw.randint(6, 14))
    total = steps[-1]['connect']
    for _ in range(draw.randint(3, 6)):
        what = draw.choice(['edit', 'edit', 'delete', 'add', 'packets'])
        if what == 'edit' and weights:
            server = draw.choice(sorted(weights))
            weights[server] = draw.randint(0, 12)
            steps.append({'edit': [server, weights[server]]})
        elif what == 'delete' and len(weights) > 2:
            server = draw.choice(sorted(weights))
            del weights[server]
            steps.append({'delete': server})
        elif what == 'add':
            absent = [server for server in range(2, 12) if server not in weights]
            if absent:
                server = draw.choice(absent)
                weights[server] = draw.randint(1, 12)
                steps += add((server, weights[server]))
        elif name in ('lc', 'wlc'):
            chosen = sorted(draw.sample(range(1, total + 1), min(total, draw.randint(1, 4))))
            steps += established(*chosen)
            steps += closing(*chosen[: len(chosen) // 2])
        count = draw.randint(3, 10)
        steps += connect(count)
        total += count
    return (f'{name}, drawn with seed {seed}', name, steps + COUNT)


RANDOM = [random_sequence(name, seed) for name in ('rr', 'wrr', 'lc', 'wlc') for seed in range(1, 8)]
SEQUENCES = SPEC + HAND + RANDOM
