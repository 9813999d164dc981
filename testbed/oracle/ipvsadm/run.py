"""Runs every theme of cases.py in a network namespace of its own, so from an empty table, and records each answer."""
import shlex
import time

from golden import call, emit
from lab import Lab, sh, tcp, udp
import cases


def words(line):
    return shlex.split(line)


def run(namespace, theme, case):
    line, stdin = case if isinstance(case, tuple) else (case, None)
    program, args = 'ipvsadm', words(line)
    if args and args[0].startswith('ipvsadm-'):
        program, args = args[0], args[1:]
    emit(f'{theme}.jsonl', call(namespace, program, args, stdin))


def themes():
    for number, (theme, listed) in enumerate(cases.THEMES.items()):
        namespace = f't{number}'
        sh(f'ip netns add {namespace}; ip -n {namespace} link set lo up; ip -n {namespace} link add dum0 type dummy; '
           f'ip -n {namespace} addr add 10.9.0.1/24 dev dum0; ip -n {namespace} link set dum0 up')
        for case in listed:
            run(namespace, theme, case)
        sh(f'ip netns del {namespace}')


def proc_files():
    for number, setup in enumerate(cases.PROC):
        namespace = f'p{number}'
        sh(f'ip netns add {namespace}; ip -n {namespace} link set lo up')
        for line in setup:
            call(namespace, 'ipvsadm', words(line))
        later = any(' -p' in line or '-f ' in line or 'sctp' in line for line in setup)
        name = 'later-proc.jsonl' if later else 'proc.jsonl'
        texts = {file: sh(f'ip netns exec {namespace} cat /proc/net/{file}') for file in cases.PROC_FILES}
        emit(name, {'setup': setup, 'files': texts})
        sh(f'ip netns del {namespace}')


def connections():
    """Listings with traffic behind them. Packets are steps of their own between the calls."""
    lab = Lab()
    for step in cases.CONNECTIONS:
        if isinstance(step, str) or isinstance(step[0], str) and step[0].startswith('-'):
            run('d', 'connections', step)
            continue
        kind, *rest = step
        if kind == 'wait':
            time.sleep(rest[0])
            emit('connections.jsonl', {'wait': rest[0]})
            continue
        where, packet = kind, rest[0]
        lab.c(packet) if where == 'client' else lab.r(packet)
        time.sleep(0.05)
        emit('connections.jsonl', {'from': where, 'packet': packet.hex()})


def without_privileges():
    """The same program run by nobody."""
    sh('ip netns add nobody; ip -n nobody link set lo up')
    for line in cases.NOBODY:
        answer = call('nobody', 'setpriv', ['--reuid=65534', '--clear-groups', 'ipvsadm', *words(line)])
        answer['args'] = words(line)
        answer['program'] = 'ipvsadm'
        emit('nobody.jsonl', {'user': 'nobody'} | answer)


themes()
without_privileges()
proc_files()
connections()
