"""Plays sequences.py against the kernel: every sequence has a virtual port of its own, every connection a client port."""
import copy
import select
import time

from golden import emit
from lab import Lab, sh, tcp
from sequences import SEQUENCES

CLIENT, VIRTUAL = '10.1.0.2', '10.1.0.100'


class Player:
    def __init__(self, lab, number, scheduler):
        self.lab, self.port, self.base = lab, 8000 + number, 20000 + 300 * number
        self.service = f'-t {VIRTUAL}:{self.port}'
        self.picked = []
        lab.adm(f'-A {self.service} -s {scheduler}')

    def server(self, given):
        last, weight, *thresholds = given
        upper, lower = thresholds or (0, 0)
        return f'{self.service} -r 10.2.0.{last}:80 -m -w {weight} -x {upper} -y {lower}'

    def connection(self):
        port = self.base + len(self.picked) + 1
        self.lab.c(tcp(CLIENT, port, VIRTUAL, self.port, 'S'))
        select.select([self.lab.sock['c0'], self.lab.sock['r0']], [], [], 1)
        answer = self.lab.rx('r0', 0.01)
        refusal = self.lab.rx('c0', 0.01)
        picked = answer[0][19] if answer else None
        if len(answer) + len([packet for packet in refusal if packet[9] == 1]) != 1:
            print('odd answer', answer, refusal)
        self.picked.append(picked)
        return picked

    def packet(self, number, side, flags):
        if self.picked[number - 1] is None:
            return
        port = self.base + number
        if side == 'client':
            self.lab.c(tcp(CLIENT, port, VIRTUAL, self.port, flags, seq=1001, ack=5001))
        else:
            self.lab.r(tcp(f'10.2.0.{self.picked[number - 1]}', 80, CLIENT, port, flags, seq=5000, ack=1001))
        self.lab.rx('c0', 0.01)
        self.lab.rx('r0', 0.01)

    def counts(self):
        found = {}
        for line in self.lab.adm(f'-L -n {self.service}').splitlines()[3:]:
            _, address, _, _, active, inactive = line.split()
            found[address.split(':')[0].split('.')[3]] = [int(active), int(inactive)]
        return found

    def play(self, step):
        (verb, value), = step.items()
        match verb:
            case 'add':
                self.lab.adm('-a ' + self.server(value))
            case 'edit':
                self.lab.adm('-e ' + self.server(value))
            case 'delete':
                self.lab.adm(f'-d {self.service} -r 10.2.0.{value}:80')
            case 'scheduler':
                self.lab.adm(f'-E {self.service} -s {value}')
            case 'connect':
                return {'connect': value, 'picked': [self.connection() for _ in range(value)]}
            case 'packet':
                self.packet(*value)
            case 'wait':
                time.sleep(value)
            case 'count':
                return {'count': self.counts()}
        return step


def main():
    lab = Lab()
    lab.flush()
    for number, (note, scheduler, steps) in enumerate(SEQUENCES):
        player = Player(lab, number, scheduler)
        played = [player.play(copy.deepcopy(step)) for step in steps]
        emit(f'{scheduler}.jsonl', {'note': note, 'scheduler': scheduler, 'steps': played})
        lab.adm(f'-D {player.service}')


main()
