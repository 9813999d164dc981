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
