"""What every scenario shares: how a recorded line leaves the guest, and how ipvsadm is called in a namespace."""
import ctypes
import json
import os
import subprocess

_libc = ctypes.CDLL('libc.so.6', use_errno=True)


def emit(name, line):
    """One line for the golden file NAME. `record` collects these lines from the console."""
    print(f'@{name}\t' + json.dumps(line), flush=True)


def call(namespace, program, args, stdin=None):
    """Runs PROGRAM with ARGS in the named network namespace; the answer as it goes into a golden file."""
    def enter():
        descriptor = os.open('/run/netns/' + namespace, os.O_RDONLY)
        if _libc.setns(descriptor, 0x40000000) != 0:
            raise OSError(ctypes.get_errno())
        os.close(descriptor)

    done = subprocess.run([program, *args], input=stdin if stdin is not None else '', capture_output=True, text=True,
                          preexec_fn=enter, errors='backslashreplace')
    answer = {} if program == 'ipvsadm' else {'program': program}
    answer['args'] = list(args)
    if stdin is not None:
        answer['stdin'] = stdin
    return answer | {'stdout': done.stdout, 'stderr': done.stderr, 'exit': done.returncode}


def proc_net(namespace, name):
    """The text of /proc/net/NAME as the named network namespace sees it; no process is started for it."""
    home = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    there = os.open('/run/netns/' + namespace, os.O_RDONLY)
    try:
        _libc.setns(there, 0x40000000)
        with open('/proc/thread-self/net/' + name) as file:
            return file.read()
    finally:
        _libc.setns(home, 0x40000000)
        os.close(home)
        os.close(there)
