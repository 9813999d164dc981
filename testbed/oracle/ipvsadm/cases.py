"""The calls to record, by theme. A string is one command line of ipvsadm (or of the program it names); a pair adds stdin.

Themes whose name begins with `later-` use what belongs to later milestones: persistence, firewall marks, SCTP, one-packet
services, connection synchronisation, other schedulers and tunnel types.
"""
from lab import icmp, tcp, udp

T, U = '-t 10.1.0.100:80', '-u 10.1.0.100:53'
T6, U6 = '-t [2001:db8:1::100]:80', '-u [2001:db8:1::100]:53'

# One table for the listing themes: every method, both families, both protocols.
TABLE = [
    f'-A {T} -s rr', f'-a {T} -r 10.2.0.2:8000 -m', f'-a {T} -r 10.2.0.3:8000 -m -w 5', f'-a {T} -r 10.2.0.4 -g -w 0',
    f'-a {T} -r 10.2.0.5 -i -w 2147483647', f'-A {U} -s wlc', f'-a {U} -r 10.2.0.2 -m -x 200 -y 100',
    f'-a {U} -r 10.2.0.3:5353 -m -x 2147483647', f'-A {T6} -s wrr', f'-a {T6} -r [2001:db8:2::2]:8000 -m',
    f'-a {T6} -r [2001:db8:2::3]:80 -g -w 3', f'-a {T6} -r 10.2.0.9 -i', f'-A {U6} -s lc', f'-a {U6} -r [2001:db8:2::2]:53 -i -x 7',
    '-A -t 10.1.0.101:443 -s wlc', '-A -t 9.255.255.255:443', '-A -t 200.1.0.1:8443 -s wrr', '-a -t 200.1.0.1:8443 -r 240.0.0.1 -i',
    '-a -t 200.1.0.1:8443 -r 1.1.1.1 -i', '-a -t 200.1.0.1:8443 -r 127.255.255.1 -i', '-A -u 10.1.0.100:5000 -s none',
    '-A -t [fe80::1]:22 -s rr', '-a -t [fe80::1]:22 -r [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:22 -m -w 65535',
    '-A -t [2001:db8:ffff:ffff:ffff:ffff:ffff:fffe]:65535 -s wlc',
    '-a -t [2001:db8:ffff:ffff:ffff:ffff:ffff:fffe]:65535 -r [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535 -g',
]
# ipvsadm lists services in the kernel's hash order with --nosort, which changes from boot to boot: one service only.
ONE = [f'-A {T} -s rr'] + [f'-a {T} -r 10.2.0.{n}:80 -m' for n in (5, 2, 9, 3)]

THEMES = {
    'services': [
        '', '-L', '-L -n', f'-A {T}', '-L -n', f'-A {T}', f'-A {T} -s rr', f'-L -n {T}', f'-E {T} -s rr', '-ln', f'-E {T}', '-ln',
        f'-E {T} -s wrr', f'-A {U} -s lc', f'-A -u 10.1.0.100:80 -s rr', f'-A {T6} -s rr', f'-A {U6}', '-ln', f'-A {T6}', f'-A {U6} -s lc',
        f'-E {U6} -s wrr', '-E -t 10.1.0.100:81 -s rr', '-E -u 10.1.0.100:81', '-E -t [2001:db8:1::101]:80', f'-E {T} -s bogus', f'-A -t 10.1.0.7:1 -s bogus',
        '-ln', f'-L -n {T}', f'-l -n {U6}', '-L -n -t 1.2.3.4:5', '-L -n -u [2001:db8::9]:5', '-D -t 10.1.0.100:81', '-D -u 10.1.0.100:81',
        '-D -t [2001:db8:1::101]:80', '-Z -t 10.1.0.100:81', '-Z -u [2001:db8:1::101]:80', f'-D {T6}', f'-D {T6}', '-A -t 0.0.0.0:80', '-A -t 224.0.0.1:80',
        '-A -t 127.0.0.1:80', '-A -t 255.255.255.255:80', '-A -t [ff02::1]:80', '-A -t [::]:80', '-A -t [::1]:80', '-A -t [::ffff:1.2.3.4]:80', '-ln',
        '-A -u 10.1.0.100:1 -s none', '-A -u 10.1.0.100:2 -s', '-A -u 10.1.0.100:2 -s ""', '-A -u 10.1.0.100:65535 -s none', '-ln',
        f'-D {T}', f'-D {U}', '-ln', '-C', '-ln', '-C', '-C', f'-D {T}',
        f'--add-service --tcp-service 10.1.0.100:80 --scheduler wlc', f'--edit-service --tcp-service 10.1.0.100:80 --scheduler lc', '--list --numeric',
        '--delete-service --tcp-service 10.1.0.100:80', '--add-service --udp-service [2001:db8::1]:53 --scheduler=rr', '--list --numeric --udp-service [2001:db8::1]:53',
        '--clear', '--list',
    ],
    'servers': [
        f'-a {T} -r 10.2.0.2', f'-e {T} -r 10.2.0.2', f'-d {T} -r 10.2.0.2', f'-A {T} -s rr', f'-a {T} -r 10.2.0.2', '-ln', f'-a {T} -r 10.2.0.2',
        f'-a {T} -r 10.2.0.2:80 -m', f'-a {T} -r 10.2.0.2:8080 -m -w 10', '-ln', f'-a {T} -r 10.2.0.3:8080 -g', f'-a {T} -r 10.2.0.3 -i', f'-a {T} -r 10.2.0.4:8080 -i -w 0', '-ln',
        f'-e {T} -r 10.2.0.2 -w 7', '-ln', f'-e {T} -r 10.2.0.2 -m', '-ln', f'-e {T} -r 10.2.0.2:80 -m -w 3 -x 100 -y 50', f'-ln {T} --thresholds', f'-e {T} -r 10.2.0.2:80 -m -x 100',
        f'-ln --thresholds', f'-e {T} -r 10.2.0.2:80 -m -y 100', f'-e {T} -r 10.2.0.2:80 -m -x 99 -y 100', f'-e {T} -r 10.2.0.2:80 -m -x 100 -y 100', '-ln --thresholds',
        f'-e {T} -r 10.2.0.2:80 -m -x 2147483647 -y 2147483647', '-ln --thresholds', f'-e {T} -r 10.2.0.2:80 -i', '-ln', '-ln --tun-info', '-ln --thresholds',
        f'-e {T} -r 10.2.0.99', f'-d {T} -r 10.2.0.99', f'-e {T} -r 10.2.0.2:8081 -m', f'-d {T} -r 10.2.0.2:8081', f'-d {T} -r 10.2.0.2:8080', '-ln', f'-d {T} -r 10.2.0.2:8080', f'-d {T} -r 10.2.0.2',
        '-ln', f'-d -r 10.2.0.3 {T}', f'-d -r 10.2.0.3:80 {T}', f'-a -r 10.2.0.9 -m {T}', '-ln', f'-d -r 10.2.0.9 {T}', '-ln',
        f'-a {T} -r 0.0.0.0 -m', f'-a {T} -r 224.0.0.1 -m', f'-a {T} -r 255.255.255.255 -m', f'-a {T} -r 240.0.0.1 -m', f'-a {T} -r 127.0.0.1 -m', f'-a {T} -r 10.9.0.1 -g', f'-a {T} -r 10.9.0.255 -g',
        '-ln', f'-a {T} -r 10.2.0.20:0 -m', f'-a {T} -r 10.2.0.21:0 -g', '-ln',
        f'-a {T} -r [2001:db8:2::2]:80 -m', f'-a {T} -r [2001:db8:2::2]:80 -g', f'-a {T} -r [2001:db8:2::2]:80', f'-a {T} -r [2001:db8:2::2]:80 -i', f'-a {T} -r 2001:db8:2::3 -i', '-ln', '-ln --tun-info',
        f'-e {T} -r [2001:db8:2::2]:80 -m', f'-e {T} -r [2001:db8:2::2]:80 -i -w 9', f'-d {T} -r [2001:db8:2::2]:80', f'-d {T} -r [2001:db8:2::3]:81', '-ln',
        f'-A {T6}', f'-a {T6} -r [2001:db8:2::2]:8000 -m', f'-a {T6} -r [2001:db8:2::2]:8000 -g', f'-a {T6} -r [2001:db8:2::2]:8000 -m', f'-a {T6} -r 2001:db8:2::4 -m', f'-a {T6} -r 10.2.0.2 -m',
        f'-a {T6} -r 10.2.0.2 -i', f'-a {T6} -r [ff02::1]:80 -m', f'-a {T6} -r [fe80::9]:80 -m', f'-a {T6} -r [::]:80 -m', f'-a {T6} -r [::1]:80 -m', '-ln', f'-ln {T6}',
        f'-A {U}', f'-a {U} -r 10.2.0.2 -m', f'-a {U} -r 10.2.0.2:53 -g', f'-a {U} -r 10.2.0.2:5353 -m', '-ln', f'-d {U} -r 10.2.0.2', f'-D {U}', f'-a {U} -r 10.2.0.2',
        '-C', '-ln', f'--add-service --tcp-service 10.1.0.100:80', '--add-server --tcp-service 10.1.0.100:80 --real-server 10.2.0.2:81 --masquerading --weight 3 --u-threshold 9 --l-threshold 4',
        '--add-server --tcp-service 10.1.0.100:80 --real-server 10.2.0.3 --gatewaying', '--add-server --tcp-service 10.1.0.100:80 --real-server 10.2.0.4 --ipip --tun-type ipip',
        '-ln', '-ln --thresholds', '-ln --tun-info', '--edit-server --tcp-service 10.1.0.100:80 --real-server 10.2.0.2:81 --masquerading --weight 0', '-ln --thresholds', '-ln',
        '--delete-server --tcp-service 10.1.0.100:80 --real-server 10.2.0.3', '-ln',
    ],
    'weights': [
        f'-A {T}', f'-a {T} -r 10.2.0.2 -m -w 0', f'-a {T} -r 10.2.0.3 -m -w 65535', f'-a {T} -r 10.2.0.4 -m -w 65536', f'-a {T} -r 10.2.0.5 -m -w 2147483647', f'-a {T} -r 10.2.0.6 -m -w 2147483648',
        f'-a {T} -r 10.2.0.6 -m -w 4294967296', f'-a {T} -r 10.2.0.6 -m -w -1', f'-a {T} -r 10.2.0.6 -m -w x', f'-a {T} -r 10.2.0.6 -m -w 1x', f'-a {T} -r 10.2.0.6 -m -w ""', f'-a {T} -r 10.2.0.6 -m -w',
        f'-a {T} -r 10.2.0.6 -m -w 0x10', f'-a {T} -r 10.2.0.6 -m -w " 7"', f'-a {T} -r 10.2.0.7 -m -w +8', f'-a {T} -r 10.2.0.8 -m -w 010', f'-a {T} -r 10.2.0.9 -m -w "9 "', f'-a {T} -r 10.2.0.9 -m -w 1.5',
        '-ln', f'-a {T} -r 10.2.0.10 -m -x -1', f'-a {T} -r 10.2.0.10 -m -x 2147483648', f'-a {T} -r 10.2.0.10 -m -x x', f'-a {T} -r 10.2.0.10 -m -y x', f'-a {T} -r 10.2.0.10 -m -y -5',
        f'-a {T} -r 10.2.0.10 -m -y 4294967295', f'-a {T} -r 10.2.0.10 -m -x 4294967295', f'-a {T} -r 10.2.0.10 -m -y 1', f'-a {T} -r 10.2.0.10 -m -x 1 -y 2', f'-a {T} -r 10.2.0.10 -m -x', f'-a {T} -r 10.2.0.10 -m -y',
        f'-a {T} -r 10.2.0.10 -m -x 2147483647 -y 0', f'-e {T} -r 10.2.0.3 -m -w -1', f'-e {T} -r 10.2.0.3 -m -w 2147483648', f'-e {T} -r 10.2.0.3 -m -w 12 -x 5 -y 9', '-ln', '-ln --thresholds',
    ],
    'lists': TABLE + [
        '', '-L', '-l', '-L -n', '-ln', '-nL', '--list -n', '-L --numeric', '-L --stats', '-L -n --stats', '-L -n --rate', '-L --rate', '-L -n --exact', '-L -n --stats --exact', '-L -n --rate --exact',
        '-L -n --thresholds', '-L --thresholds', '-L -n --persistent-conn', '-L -n --tun-info', '-L --tun-info', '-L -n --sort', '-L -n --sort --sort', '-L -c', '-L -n -c', '-Lnc', '-l -n --connection', '-L -n -c --persistent-conn',
        '-L -c --exact', '-L -c --nosort', '-L -c --sort', '-L --timeout', '-L -n --timeout', '-L --timeout --exact', '-L --daemon', '-L -n --daemon', '-L -n --syncid 3', f'-L {T}', f'-L -n {T}', f'-L -n {T} --stats', f'-L -n {T} --rate',
        f'-L -n {T} --thresholds', f'-L -n {T} --persistent-conn', f'-L -n {T} --tun-info', f'-L -n {T6}', f'-L -n {T6} --stats', f'-L -n {T6} --rate', f'-L -n {T6} --thresholds', f'-L -n {T6} --persistent-conn', f'-L -n {T6} --tun-info', f'-L {U}',
        f'-L -n {U} --exact', '-L -n -t 200.1.0.1:8443', '-L -n -t 10.1.0.101:443', '-L -n -u 10.1.0.100:5000', '-L -n --stats --rate', '-L -n --rate --stats', '-L -n --stats --thresholds', '-L -n --thresholds --rate', '-L -n --thresholds --persistent-conn',
        '-L -n --persistent-conn --tun-info', '-L -n --stats --persistent-conn --tun-info --thresholds --rate', '-L -n --tun-info --thresholds', '-S -n', '-S', '-ln -t 10.1.0.100:http', '-l -t 10.1.0.100:http',
    ],
    'lists-nosort': ONE + ['-L -n --nosort', '-L --nosort --stats', '-L -n --nosort --sort', '-L -n --sort --nosort', '-L -n --nosort --nosort', f'-L -n --nosort {T}', '-S -n --nosort', '-S -n', '-L -n', f'-d {T} -r 10.2.0.2', f'-a {T} -r 10.2.0.2 -m',
        '-L -n --nosort', f'-e {T} -r 10.2.0.9:80 -m -w 4', '-L -n --nosort', '-L -n --nosort --thresholds', '-L -n --nosort --tun-info', '-L -n --nosort --persistent-conn', '-L -n --nosort --rate'],
    'list-conflicts': ONE + [
        f'-L -n -c {T}', f'-L -n {T} -c', '-L -c --timeout', '-L --timeout -c', '-L -c --daemon', '-L --daemon --timeout', f'-L --timeout {T}', f'-L --daemon {T}', '-L -c --stats', '-L -c --rate', '-L -c --thresholds', '-L -n -c --tun-info',
        '-L --timeout --stats', '-L --timeout --rate', '-L --timeout --thresholds', '-L --timeout --persistent-conn', '-L --daemon --stats', '-L --daemon --rate', '-L --daemon --thresholds', '-L --daemon --persistent-conn', '-L --timeout --tun-info',
        '-L -n -n', '-L --numeric -n', '-L -c -c', '-L --stats --stats', '-L --rate --rate', '-L --thresholds --thresholds', '-L --persistent-conn --persistent-conn', '-L --exact --exact', '-L --timeout --timeout', '-L --daemon --daemon', '-L --tun-info --tun-info',
        '-L -s rr', '-L -w 3', '-L -r 10.2.0.2', '-L -m', '-L -g', '-L -i', '-L -x 3', '-L -y 3', '-L --tun-type ipip', '-L foo', '-L -n foo bar', '-L -t', '-L -u', '-L -t foo', '-L -t 10.1.0.100', '-L -n -t 10.1.0.100:81', '-L -n -t 10.1.0.100:0',
        '-L -6', '-L -n --bogus', '-L -q', '-L -L', '-L -l', '-L -A', '-Z -Z',
    ],
    'zero-flush': [
        '-C', '-Z', f'-Z {T}', f'-A {T}', f'-a {T} -r 10.2.0.2 -m', '-Z', f'-Z {T}', '-Z -n', f'-Z {T} -s rr', '-Z foo', '-Z -t foo', '-Z -t', f'-Z {U}', f'--zero', f'--zero --tcp-service 10.1.0.100:80', f'-Z {T} -r 10.2.0.2', '-Z --stats', '-Z -t 10.1.0.100:80 -t 10.1.0.100:81',
        '-C foo', f'-C {T}', '-C -n', '-C -s rr', '--clear --bogus', '-ln', '-C', '-ln', '--clear', '-Cn', '-C -C', '-D', f'-D {T}', f'-D {T} -s rr', f'-D {T} -n', f'-D {T} foo', f'-D {T} -r 10.2.0.2', f'-D {T} -m', '-D -t', '-D -t foo', '-D 10.1.0.100:80',
    ],
    'missing-options': [
        '-A', '-E', '-D', '-a', '-e', '-d', f'-A -s rr', f'-a {T}', f'-e {T}', f'-d {T}', '-a -r 10.2.0.2', '-e -r 10.2.0.2', '-d -r 10.2.0.2', '-a -m', '-a -r 10.2.0.2 -m', '-A -t', '-A -u', f'-A {T} -s', f'-a {T} -r', f'-a {T} -r 10.2.0.2 -w', '--add-service', '--edit-service',
        '--delete-service', '--add-server', '--edit-server', '--delete-server', '--set', '--set 1', '--set 1 2', '--add-service --tcp-service', f'-a {T} --tun-type', f'-a {T} -r 10.2.0.2 -i --tun-type', '-A -n', '-a -n', '-D -s rr', '-d -w 3', '-ln',
    ],
    'illegal-options': [
        f'-A {T} -r 10.2.0.2', f'-A {T} -m', f'-A {T} -g', f'-A {T} -i', f'-A {T} -w 3', f'-A {T} -x 3', f'-A {T} -y 3', f'-A {T} -n', f'-A {T} -c', f'-A {T} --stats', f'-A {T} --rate', f'-A {T} --exact', f'-A {T} --nosort', f'-A {T} --sort', f'-D {T}', f'-A {T} --thresholds',
        f'-A {T} --timeout', f'-A {T} --daemon', f'-A {T} --persistent-conn', f'-A {T} --tun-info', f'-A {T} --tun-type ipip', f'-E {T} -w 3', f'-E {T} -r 10.2.0.2 -m', f'-E {T} -n', f'-a {T} -r 10.2.0.2 -s rr', f'-a {T} -r 10.2.0.2 -n', f'-a {T} -r 10.2.0.2 --stats', f'-e {T} -r 10.2.0.2 -s rr',
        f'-e {T} -r 10.2.0.2 -c', f'-d {T} -r 10.2.0.2 -m', f'-d {T} -r 10.2.0.2 -w 2', f'-d {T} -r 10.2.0.2 -x 2', f'-d {T} -r 10.2.0.2 -s rr', f'-d {T} -r 10.2.0.2 -n', f'-d {T} -r 10.2.0.2 --tun-type ipip', f'-D {T} -w 2', f'-D {T} --stats', f'-C -t 10.1.0.100:80', '-R -n', '-R -t 10.1.0.100:80',
        '-S -t 10.1.0.100:80', '-S -c', '-S --stats', '-S --exact', '-S foo', '-S -n -n', '--set 1 2 3 -n', f'--set 1 2 3 {T}', '--set 1 2 3 4', f'-A -w 3 {T} -m -n', f'-A -m -n -w 3', '-A -m', '-A -c -w 2 -s rr', f'-a -s rr', f'-a -c -n {T}', f'-a -n --stats -r 10.2.0.2', '-ln',
        f'-A {T} foo', f'-A foo {T}', f'-A {T} foo bar', f'-a {T} -r 10.2.0.2 foo', f'-A foo', f'-A foo -w 3', f'-A {T} -- -s', f'-A -- {T}', f'-A {T} --', '-ln', '-C',
    ],
    'repeated-options': [
        f'-A {T} {T}', f'-A {T} {U}', f'-A {T} -s rr -s rr', f'-A {T} -s rr --scheduler lc', f'-a {T} -r 10.2.0.2 -r 10.2.0.3', f'-a {T} -r 10.2.0.2 -m -m', f'-a {T} -r 10.2.0.2 -m -g', f'-a {T} -r 10.2.0.2 -i -g', f'-a {T} -r 10.2.0.2 -g -i -m', f'-a {T} -r 10.2.0.2 -w 1 -w 2',
        f'-a {T} -r 10.2.0.2 -x 1 -x 2', f'-a {T} -r 10.2.0.2 -x 4 -y 1 -y 2', f'-a {T} -r 10.2.0.2 -i --tun-type ipip --tun-type ipip', f'-A {T} -A', f'-A {T} -E', f'-A {T} -a', f'-A -A', f'-a {T} -d', f'-L -C', f'-L -Z', f'-L -R', f'-L -S', f'-L -D', f'-L -e', f'-L -h', f'-L -v', f'-L --help', f'-L --version',
        f'-L --set', f'-L --set 1 2 3', f'-L --add-service', f'-L --clear', f'-L --restore', f'-L --save', f'-L --zero', f'-h -L', f'-h foo', f'-v foo', f'-v -L', f'-v -v', '-ln',
    ],
    'addresses': [
        '-A -t 10.1.0.100', '-A -t 10.1.0.100:0', '-A -t 10.1.0.100:', '-A -t :80', '-A -t ""', '-A -t 12345', '-A -t 10.1.0:80', '-A -t 10.1:80', '-A -t 1.2.3:81', '-A -t 0x01020304:82', '-A -t 010.1.0.1:80', '-A -t 256.1.1.1:80', '-A -t 1.2.3.4.5:80', '-A -t 1.2.3.4:65535',
        '-A -t 1.2.3.4:65536', '-A -t 1.2.3.4:-1', '-A -t 1.2.3.4:x', '-A -t 1.2.3.4:80x', '-A -t 1.2.3.4:0106', '-A -t 1.2.3.4:+105', '-A -t 1.2.3.4:0x6b', '-A -t "1.2.3.4: 107"', '-A -t "1.2.3.4:108 "', '-A -t " 1.2.3.4:109"', '-A -t 1.2.3.4:http', '-A -t 1.2.3.4:HTTP', '-A -t 1.2.3.4:domain',
        '-A -u 1.2.3.4:domain', '-A -u 1.2.3.4:syslog', '-A -t 1.2.3.4:syslog', '-A -u 1.2.3.4:tftp', '-A -t 1.2.3.4:tftp', '-A -t localhost:90', '-A -t localhost', '-A -t nosuchhost:90', '-A -t nosuchhost.example:90', '-A -t localhost:http', '-A -t 1.2.3.4:80:90', '-A -t 1:2:80', '-A -t http:80', '-A -t 80:80', '-A -t 0:80', '-A -t 4294967295:80',
        '-A -t 4294967296:80', '-A -t [2001:db8::1]:80', '-A -t [2001:db8::1]', '-A -t [2001:db8::1', '-A -t [2001:db8::1]:', '-A -t [2001:db8::1]80', '-A -t [2001:db8::1]:http', '-A -t [2001:db8::1]:0', '-A -t [2001:db8::1]:65536', '-A -t 2001:db8::1', '-A -t fe80::1:80', '-A -t [2001:db8::1%lo]:80', '-A -t [fe80::1%lo]:81', '-A -t []:80', '-A -t [::]:1', '-A -t [::1]:1',
        '-A -t [1.2.3.4]:80', '-A -t [::1.2.3.4]:82', '-A -t [2001:DB8::AB]:83', '-A -t [2001:db8:0:0:0:0:0:1]:84', '-A -t [2001:db8::1::2]:80', '-A -t [2001:db8::12345]:80', '-A -t [localhost]:80', '-A -t ::1:80', '-A -t [::1]:80x', '-A -t 2001:db8::1:80:90:100:110', '-A -t gggg::1', '-L', '-ln', '-S', '-S -n', '-C', '-A -t 1.2.3.4:80',
        '-a -t 1.2.3.4:80 -r', '-a -t 1.2.3.4:80 -r ""', '-a -t 1.2.3.4:80 -r foo', '-a -t 1.2.3.4:80 -r 10.2.0.2: -m', '-a -t 1.2.3.4:80 -r 10.2.0.2:http -m', '-a -t 1.2.3.4:80 -r 10.2.0.3:https -m', '-a -t 1.2.3.4:80 -r 10.2.0.3:nosuch -m', '-a -t 1.2.3.4:80 -r localhost -m', '-a -t 1.2.3.4:80 -r localhost:81 -m', '-a -t 1.2.3.4:80 -r [10.2.0.2]:80 -m',
        '-a -t 1.2.3.4:80 -r 10.2.0.4:65536 -m', '-a -t 1.2.3.4:80 -r 10.2.0.4:-1 -m', '-a -t 1.2.3.4:80 -r 12345 -m', '-a -t 1.2.3.4:80 -r 10.2.5 -m', '-a -r 10.2.0.6 -t 1.2.3.4:80 -m', '-a -r 10.2.0.7:http -t 1.2.3.4:80 -m', '-a -r 10.2.0.8:90 -t 1.2.3.4:80 -m', '-a -t 1.2.3.4:80 -r [2001:db8::2] -i', '-a -t 1.2.3.4:80 -r [2001:db8::2]:80 -i',
        '-a -t 1.2.3.4:80 -r 2001:db8::3 -i', '-L', '-ln', '-d -r 10.2.0.8:90 -t 1.2.3.4:80', '-d -r 10.2.0.2 -t 1.2.3.4:80', '-d -t 1.2.3.4:http -r 10.2.0.2:http', '-D -t 1.2.3.4', '-D -t 1.2.3.4:http', '-ln',
    ],
    'popt': [
        'foo', '-n', '-nL', '-c', '--stats', '--bogus', '--numeric', '-q', '-', '--', '-s rr', '-t 1.2.3.4:80', f'{T} -A', '-m', '-6', '-Ln', '-lnc', '-Lncn', '-At 1.2.3.4:80', '-At1.2.3.4:81', '-At1.2.3.4:82 -srr', '-A -t=1.2.3.4:83 -s=lc', '-A --tcp-service=1.2.3.4:84 --scheduler=wrr', '-A --tcp-service 1.2.3.4:85 --scheduler',
        '-A --tcp-service= ', '-A --tcp 1.2.3.4:86', '-A --tcp-serv=1.2.3.4:86', '--add 1.2.3.4', '--lis', '--list=foo', '-L=foo', '-A -t 1.2.3.4:87 -srr -swlc', '-A -srrt 1.2.3.4:88', '-as', '-at1.2.3.4:80 -r10.2.0.2:99 -mw5', '-at1.2.3.4:80 -r10.2.0.3:99 -mw 6', '-amt 1.2.3.4:80 -r 10.2.0.4:99', '-mat 1.2.3.4:80 -r 10.2.0.4:99',
        '-a -t 1.2.3.4:80 -r 10.2.0.5:1 -m -w=7', '-a -t 1.2.3.4:80 -r=10.2.0.6:1 -m -x=7 -y=3', '-a -t 1.2.3.4:80 -r=10.2.0.7:1 -m -x7 -y3', '-a -t 1.2.3.4:80 --real-server=10.2.0.8:1 --masquerading --weight=2 --u-threshold=7 --l-threshold=3', '-a -t 1.2.3.4:80 --masquerading=1 -r 10.2.0.9', '-L -n=1', '-L --exact=1', '-L -nz', '-L --Numeric', '-L -N', '-LN', '-Lfoo',
        '-Lnfoo', '-l --num', '-L -n -', '-L -n --', '-L -n -- foo', '-L -- -n', '-ln --exact --nosort --stats --', '-ln', '-ln --thresholds', '-A -t -s', '-A -t -s rr', '-A -t 1.2.3.4:89 -s -t', '-ln -t1.2.3.4:80', '-ln -t=1.2.3.4:80', '--list --tcp-service=1.2.3.4:80 --numeric', '-D -t1.2.3.4:81', '-Dt1.2.3.4:82', '-Dt 1.2.3.4:83', '-Dt=1.2.3.4:84', '-ln', '-C',
        '-?', '--usage', '--help', '-h', '-v', '--version', '-hv', '-vh', '-hL',
    ],
    'timeouts': [
        '-L --timeout', '--set 0 0 0', '-L --timeout', '--set 1 2 3', '-L --timeout', '-l --timeout -n', '--set 100 0 0', '--set 0 200 0', '--set 0 0 400', '-L --timeout', '--set', '--set 1', '--set 1 2', '--set 1 2 3 4', '--set a b c', '--set 1 b 3', '--set 1 2 c', '--set -1 2 3', '--set 1 -2 3', '--set 1 2 -3', '--set 2678400 2678400 2678400', '-L --timeout',
        '--set 2678401 1 1', '--set 1 2678401 1', '--set 1 1 2678401', '--set 1.5 2 3', '--set 0x10 2 3', '--set +10 " 20" 030', '-L --timeout', '--set "" 2 3', '--set 1s 2 3', '--set 4294967296 1 1', '--set=1 2 3', '--set=10 20', '-L --timeout', '--set 900 120 300 -n', '--set -n 900 120 300', '--set 900 -- 120 300', '--set 900 120 300', '-L --timeout', '-L --timeout foo',
    ],
    'version-help': ['-v', '--version', '-h', '--help', '', '-L', '-V', '--versio', '-H'],
    'save-restore': TABLE[:14] + [
        '-S', '-S -n', '--save', '--save -n', '--save --numeric', 'ipvsadm-save', 'ipvsadm-save -n', 'ipvsadm-save -h', 'ipvsadm-save foo', 'ipvsadm-save --help', 'ipvsadm-save -n -n', 'ipvsadm-save -x',
        ('-R', ''), '-ln', ('-R', f'-A -t 10.1.0.9:80 -s rr\n-a -t 10.1.0.9:80 -r 10.2.0.2:80 -m -w 4\n'), '-ln', ('-R', '-A -t 10.1.0.9:80 -s rr\n'), ('-R', '-A -t 10.1.0.9:80 -s rr\n-A -t 10.1.0.9:81 -s rr\n'), ('-R', '-A -t 10.1.0.9:82 -s rr\n-A -t 10.1.0.9:80 -s rr\n'),
        ('-R', '-A -t 10.1.0.9:83 -s rr'), ('-R', '\n\n   \n-A -t 10.1.0.9:84 -s rr\n\n'), ('-R', 'ipvsadm -A -t 10.1.0.9:85 -s rr\n'), ('-R', '  ipvsadm   -A\t-t  10.1.0.9:86   -s rr  \n'), ('-R', '-A -t 10.1.0.9:87 ipvsadm -s rr\n'), ('-R', '# comment\n-A -t 10.1.0.9:88 -s rr\n'),
        ('-R', '-A -t 10.1.0.9:89 -s rr\n#\n-A -t 10.1.0.9:90 -s rr\n'), ('-R', '-A -t 10.1.0.9:91 # -s rr\n-A -t 10.1.0.9:92\n'), ('-R', '-A -t 10.1.0.9:93 -w 4\n-A -t 10.1.0.9:94\n'), ('-R', '-A -t 10.1.0.9:95\n-A\n-A -t 10.1.0.9:96\n'), ('-R', 'foo\n-A -t 10.1.0.9:97\n'), ('-R', '-L -n -t 10.1.0.9:80\n'),
        ('-R', '-R\n'), ('-R', '-A -t 10.1.0.9:98\n-R\n-A -t 10.1.0.9:99\n'), ('-R', '-v\n-A -t 10.1.0.9:100\n'), ('-R', '-h\n-A -t 10.1.0.9:101\n'), ('-R', '-D -t 10.1.0.9:7777\n'), ('-R', '-d -t 10.1.0.9:80 -r 10.2.0.99:80\n-S -n\n'), ('-R', '-A -t 10.1.0.9:102 -s bogus\n-A -t 10.1.0.9:103 -s rr\n'), ('-R', '-A -t "10.1.0.9:104" -s rr\n'), ("-R", "-A -t '10.1.0.9:105' -s rr\n"),
        ('-R', '-A -t 10.1.0.9:106 -s rr\r\n-A -t 10.1.0.9:107 -s rr\r\n'), '-ln', ('--restore', '-C\n-A -t 10.1.0.9:80 -s lc\n-a -t 10.1.0.9:80 -r 10.2.0.2:80 -i -w 2 -x 10 -y 5\n--set 10 20 30\n'), '-S -n', '-ln --thresholds', '-L --timeout', '--set 900 120 300', ('-R', '-C\n' + '\n'.join(TABLE[:14]) + '\n'), '-S -n', ('-R', '-E -t 10.1.0.100:80 -s lc\n-e -t 10.1.0.100:80 -r 10.2.0.2:8000 -m -w 9\n-d -t 10.1.0.100:80 -r 10.2.0.3:8000\n-Z\n-D -u 10.1.0.100:53\n'), '-S -n',
        ('ipvsadm-restore', '-A -t 10.1.0.9:80 -s rr\n'), '-ln', ('ipvsadm-restore', '# saved\n-A -t 10.1.0.9:81 -s rr\n  # indented\n-a -t 10.1.0.9:81 -r 10.2.0.2:81 -m\n'), '-ln', ('ipvsadm-restore', '# saved\n-A -t 10.1.0.9:82 -s rr\n#x\n-a -t 10.1.0.9:82 -r 10.2.0.2:82 -m -w 1\n'), '-ln', ('ipvsadm-restore', ''), '-ln', ('ipvsadm-restore -h', ''), ('ipvsadm-restore foo', '-A -t 10.1.0.9:83\n'), '-ln', ('ipvsadm-restore -n', '-A -t 10.1.0.9:84\n'), '-ln', ('ipvsadm-restore', 'bogus\n'), ('ipvsadm-restore', '-A -t 10.1.0.9:80 -s rr\n-A -t 10.1.0.9:80 -s rr\n'), 'ipvsadm-save -n', '-C', '-S', '-S -n', 'ipvsadm-save',
    ],
    'tunnels': [
        f'-A {T}', f'-a {T} -r 10.2.0.2 -i', f'-a {T} -r 10.2.0.3 -i --tun-type ipip', f'-a {T} -r 10.2.0.4 -m --tun-type ipip', f'-a {T} -r 10.2.0.4 -g --tun-type ipip', f'-a {T} -r 10.2.0.4 --tun-type ipip', f'-a {T} -r 10.2.0.4 -i --tun-type bogus', f'-a {T} -r 10.2.0.4 -i --tun-type ""', f'-a {T} -r 10.2.0.4 -i --tun-type IPIP', f'-a {T} -r 10.2.0.4 -i --tun-type=ipip -w 3',
        f'-a {T} -r 10.2.0.5 -i --tun-type ipip --tun-port 6080', f'-a {T} -r 10.2.0.5 -i --tun-port 6080', f'-a {T} -r 10.2.0.5 -i --tun-nocsum', f'-a {T} -r 10.2.0.5 -i --tun-csum', f'-a {T} -r 10.2.0.5 -i --tun-remcsum', f'-a {T} -r 10.2.0.5 -i --tun-type ipip --tun-csum --tun-nocsum', f'-a {T} -r 10.2.0.5 -m --tun-port 6080', f'-a {T} -r 10.2.0.5 --tun-csum', f'-a {T} -r 10.2.0.5 -i --tun-port 0', f'-a {T} -r 10.2.0.5 -i --tun-port 65536',
        f'-a {T} -r 10.2.0.5 -i --tun-port x', f'-a {T} -r 10.2.0.5 -i --tun-port', '-ln', '-ln --tun-info', f'-e {T} -r 10.2.0.2 -i --tun-type ipip -w 8', f'-e {T} -r 10.2.0.3 -m', f'-e {T} -r 10.2.0.3 -g --tun-type ipip', '-ln --tun-info', '-S -n', f'-A {T} --tun-type ipip', f'-d {T} -r 10.2.0.2 --tun-type ipip', '-L --tun-type ipip',
    ],
    'later-tunnels': [
        f'-A {T} -s rr', f'-a {T} -r 10.2.0.2 -i --tun-type gue', f'-a {T} -r 10.2.0.2 -i --tun-type gue --tun-port 6080', f'-a {T} -r 10.2.0.3 -i --tun-type gue --tun-port 6081 --tun-nocsum', f'-a {T} -r 10.2.0.4 -i --tun-type gue --tun-port 6082 --tun-csum', f'-a {T} -r 10.2.0.5 -i --tun-type gue --tun-port 65535 --tun-remcsum',
        f'-a {T} -r 10.2.0.6 -i --tun-type gre', f'-a {T} -r 10.2.0.7 -i --tun-type gre --tun-nocsum', f'-a {T} -r 10.2.0.8 -i --tun-type gre --tun-csum', f'-a {T} -r 10.2.0.9 -i --tun-type gre --tun-remcsum', f'-a {T} -r 10.2.0.9 -i --tun-type gre --tun-port 6080', f'-a {T} -r 10.2.0.9 -i --tun-type gue --tun-port 6080 --tun-csum --tun-remcsum', f'-a {T} -r 10.2.0.9 -i --tun-type gue --tun-port 6080 --tun-csum --tun-nocsum',
        f'-a {T} -r 10.2.0.9 -i --tun-type gre --tun-csum --tun-nocsum', f'-a {T} -r 10.2.0.9 -i --tun-type gue --tun-port 0', f'-a {T} -r 10.2.0.9 -i --tun-type gue --tun-port 65536', f'-a {T} -r 10.2.0.9 -i --tun-type gue --tun-port x', f'-a {T} -r 10.2.0.9 -i --tun-type gue --tun-port', f'-a {T} -r 10.2.0.9 -m --tun-type gue --tun-port 6080', f'-a {T} -r 10.2.0.9 -g --tun-type gre', f'-a {T} -r 10.2.0.9 -i --tun-type GRE',
        f'-a {T} -r [2001:db8:2::2]:80 -i --tun-type gue --tun-port 6080', f'-a {T} -r [2001:db8:2::3]:80 -i --tun-type gre --tun-csum', '-ln', '-ln --tun-info', '-L --tun-info', '-S -n', f'-e {T} -r 10.2.0.2 -i', f'-e {T} -r 10.2.0.3 -i --tun-type gre', f'-e {T} -r 10.2.0.6 -m', '-ln --tun-info', '-S -n', f'-a {T} -r 10.2.0.2 -i --tun-type gue --tun-type gre --tun-port 5', f'-a {T} -r 10.2.0.10 -i --tun-csum --tun-csum',
    ],
    'later-persistence': [
        f'-A {T} -s rr -p', '-ln', f'-E {T} -s rr -p 100', '-ln', f'-E {T} -s rr -p 100 -M 255.255.255.0', '-ln', f'-E {T} -s rr', '-ln', f'-A {U} -p 2678400', '-A -t 10.1.0.100:81 -p 0', '-A -t 10.1.0.100:81 -p 2678401', '-A -t 10.1.0.100:81 -p x', '-A -t 10.1.0.100:81 -p -1', '-A -t 10.1.0.100:81 -p100', '-A -t 10.1.0.100:82 -p=200', '-A -t 10.1.0.100:83 --persistent', '-A -t 10.1.0.100:84 --persistent 300',
        '-A -t 10.1.0.100:85 --persistent=300', '-A -t 10.1.0.100:86 --persist 300', '-A -t 10.1.0.100:0 -p 300', '-A -t 10.1.0.100 -p 300', '-A -t 10.1.0.101 -p', f'-A -t 10.1.0.100:87 -M 255.255.255.0', '-A -t 10.1.0.100:88 -p 5 -M 24', '-A -t 10.1.0.100:89 -p 5 -M 255.0.255.0', '-A -t 10.1.0.100:90 -p 5 -M x', '-A -t 10.1.0.100:90 -p 5 -M 0.0.0.0', '-A -t 10.1.0.100:91 -p 5 -M', '-A -t 10.1.0.100:91 -p 5 -M 255.255.255.255',
        f'-A {T6} -p 600', f'-A -t [2001:db8:1::100]:81 -p 600 -M 64', '-A -t [2001:db8:1::100]:82 -p 600 -M 128', '-A -t [2001:db8:1::100]:83 -p 600 -M 129', '-A -t [2001:db8:1::100]:83 -p 600 -M 0', '-A -t [2001:db8:1::100]:83 -p 600 -M 64x', '-A -p 600 -M 64 -t [2001:db8:1::100]:84', '-A -p 600 -M 255.255.0.0 -t 10.1.0.100:92', '-A -t [2001:db8:1::100]:0 -p 600', '-A -t 2001:db8:1::101 -p',
        '-ln', '-L', '-S -n', '-S', '-ln --persistent-conn', '-A -u 10.1.0.100:5060 -s rr -p 60 --pe sip', '-A -u 10.1.0.100:5061 -s rr -p 60 --pe bogus', '-A -u 10.1.0.100:5061 -s rr --pe sip', '-A -u 10.1.0.100:5062 -s rr --pe', '-ln', '-S -n', '-ln -u 10.1.0.100:5060', f'-A {T} -p -p', f'-A {T} -p 3 -p 4', f'-A {T} -M 255.0.0.0 -M 255.0.0.0', '-A -u 10.1.0.100:5063 --pe sip --pe sip', f'-a {T} -r 10.2.0.2 -p 3', f'-D {T} -p', f'-a {T} -r 10.2.0.2 -m -M 255.0.0.0',
        ('-R', '-C\n-A -t 10.1.0.100:80 -s rr -p 77 -M 255.255.0.0\n-a -t 10.1.0.100:80 -r 10.2.0.2:80 -m\n-A -t 10.1.0.100:0 -p\n-a -t 10.1.0.100:0 -r 10.2.0.2 -m\n-a -t 10.1.0.100:0 -r 10.2.0.3:8000 -m\n'), '-ln', '-S -n', 'ipvsadm-save -n', '-ln --persistent-conn', '-Lnc --persistent-conn',
    ],
    'later-fwmark': [
        '-A -f 1 -s rr', '-A -f 1', '-A -f 0', '-A -f -1', '-A -f 4294967295', '-A -f 4294967296', '-A -f x', '-A -f 0x10', '-A -f', '-A -f 2 -6', '-A -6 -f 2', '-A -f 2 -6 -s rr -p 100', '-A -f 2', '-A -f 3 -p', '-A -f 4 -p 100 -M 255.255.255.0', '-A -f 5 -6 -p 100 -M 64', '-A -f 6 -p 100 -M 64', '-A -f +7', '-A -f " 8"', '-A -f7x', '-A -f9 -s lc', '-A --fwmark-service 10', '-A --fwmark-service=11 --ipv6', '-A -t 1.2.3.4:80 -f 3', '-A -f 3 -f 4', '-A -f 3 -6 -6',
        '-a -f 1 -r 10.2.0.2:8080 -m', '-a -f 1 -r 10.2.0.3 -g', '-a -f 1 -r 10.2.0.4:80 -g', '-a -f 1 -r [2001:db8::1]:80 -m', '-a -f 1 -r [2001:db8::1]:80 -i', '-a -f 2 -6 -r [2001:db8::1]:80 -m', '-a -f 2 -r 10.2.0.2 -m', '-a -f 2 -6 -r 10.2.0.2 -m', '-a -f 99 -r 10.2.0.2 -m', '-ln', '-L', '-S -n', '-S', '-ln -f 1', '-ln -f 2', '-ln -f 2 -6', '-ln -6 -f 2', '-ln -f 99', '-ln --stats', '-ln --rate', '-ln --thresholds', '-ln --persistent-conn', '-ln --tun-info', '-ln -f 2 -6 --stats',
        '-Z -f 1', '-Z -f 99', '-E -f 1 -s wlc', '-E -f 99', '-E -f 2 -6 -s wrr', '-e -f 1 -r 10.2.0.2:8080 -m -w 9', '-d -f 1 -r 10.2.0.2:8080', '-d -f 1 -r 10.2.0.2:8080', '-D -f 2', '-D -f 2', '-D -f 2 -6', '-D -f 99', '-ln', '-C', '-ln', f'-A {T} -6', f'-L -6', f'-L -n -6 {T}', f'-D -6 {T}', f'-D {T} -6',
    ],
    'later-sctp': [
        '-A --sctp-service 10.1.0.100:80 -s rr', '-A --sctp-service 10.1.0.100:80', '-a --sctp-service 10.1.0.100:80 -r 10.2.0.2 -m', '-a --sctp-service 10.1.0.100:80 -r 10.2.0.3:81 -g -w 3', '-A --sctp-service [2001:db8::1]:90', '-A --sctp-service 10.1.0.100', '-A --sctp-service foo', '-A --sctp-service', '-A --sctp-service 10.1.0.100:http', '-A --sctp-service 10.1.0.100:domain', '-A --sctp 10.1.0.100:80', f'-A {T}', f'-A -u 10.1.0.100:80', f'-A {T} --sctp-service 10.1.0.100:80',
        '-ln', '-L', '-S -n', '-S', '-ln --sctp-service 10.1.0.100:80', '-ln --sctp-service 10.1.0.100:81', '-Z --sctp-service 10.1.0.100:80', '-E --sctp-service 10.1.0.100:80 -s lc', '-d --sctp-service 10.1.0.100:80 -r 10.2.0.2', '-D --sctp-service 10.1.0.100:80', '-D --sctp-service 10.1.0.100:80', '-A --sctp-service 10.1.0.100:80 -o', '-ln',
    ],
    'later-one-packet': [
        f'-A {U} -s rr -o', '-ln', f'-A {T} -o', f'-E {U} -s rr', '-ln', f'-E {U} --ops', '-ln', '-S -n', '-A -f 5 -o', '-A -u [2001:db8::1]:53 -o -s rr', '-A -t [2001:db8::1]:53 -o -s rr', f'-A {U} -o -o', f'-D {U} -o', f'-a {U} -r 10.2.0.2 -m -o', '-A -u 10.1.0.100:54 -o -p 100', '-ln', '-S -n', '-L -o',
    ],
    'later-sync': [
        '-L --daemon', '--start-daemon master', '--start-daemon master --mcast-interface dum0', '-L --daemon', '--start-daemon master --mcast-interface dum0', '--start-daemon backup --mcast-interface dum0 --syncid 7', '-L --daemon', '-L -n --daemon', '--stop-daemon master', '--stop-daemon master', '-L --daemon', '--stop-daemon backup', '--stop-daemon backup', '--stop-daemon foo', '--stop-daemon', '--start-daemon', '--start-daemon foo',
        '--start-daemon master --mcast-interface nosuch', '--start-daemon master --syncid 256', '--start-daemon master --syncid -1', '--start-daemon master --syncid x', '--start-daemon master --sync-maxlen 0', '--start-daemon master --sync-maxlen 65508', '--start-daemon master --sync-maxlen x', '--start-daemon master --mcast-group 1.2.3.4', '--start-daemon master --mcast-group 2001:db8::1', '--start-daemon master --mcast-group foo', '--start-daemon master --mcast-port 0', '--start-daemon master --mcast-port 65536',
        '--start-daemon master --mcast-ttl 0', '--start-daemon master --mcast-ttl 256', '--start-daemon master --mcast-interface dum0 --syncid 255 --sync-maxlen 1400 --mcast-group 224.0.0.82 --mcast-port 8849 --mcast-ttl 2', '-L --daemon', '--stop-daemon master --syncid 3', '--start-daemon master --mcast-interface=dum0 --syncid=3', '-L --daemon', '--stop-daemon master --mcast-interface dum0', '--stop-daemon master -n', '--start-daemon master -n', '--stop-daemon=master', '-L --daemon', f'--start-daemon master {T}', '--start-daemon master --syncid 1 --syncid 2',
        '-A -t 1.2.3.4:80 --syncid 3', '-L --syncid 3 --syncid 3', '-L --mcast-interface dum0',
    ],
    'later-schedulers': [
        *[f'-A -t 10.1.0.100:{port} -s {name}' for port, name in enumerate('lblc lblcr dh sh sed nq fo ovf mh twos'.split(), 1)], '-ln', '-A -t 10.1.0.101:1 -s sh -b sh-fallback', '-A -t 10.1.0.101:2 -s sh -b sh-fallback,sh-port', '-A -t 10.1.0.101:3 -s mh -b mh-port', '-A -t 10.1.0.101:4 -s mh -b mh-fallback,mh-port', '-A -t 10.1.0.101:5 -s rr -b flag-1,flag-2,flag-3', '-A -t 10.1.0.101:6 -b flag-2', '-A -t 10.1.0.101:7 -b sh-port', '-A -t 10.1.0.101:7 -s mh -b sh-port',
        '-A -t 10.1.0.101:7 -s sh -b mh-port', '-A -t 10.1.0.101:7 -s sh -b bogus', '-A -t 10.1.0.101:7 -b sh-port -s sh', '-A -t 10.1.0.101:8 -s sh -b ""', '-A -t 10.1.0.101:9 -s sh -b flag-1', '-A -t 10.1.0.101:10 -s sh --sched-flags=sh-port', '-A -t 10.1.0.101:11 -s sh -b', '-A -t 10.1.0.101:12 -s sh -b sh-port -b sh-port', '-ln', '-S -n', '-a -t 10.1.0.101:1 -r 10.2.0.2 -b sh-port', '-D -t 10.1.0.101:1 -b flag-1', '-E -t 10.1.0.101:1 -s sh', '-ln -t 10.1.0.101:1',
        '-A -t 10.1.0.101:13 -s averyveryverylongschedulername',
    ],
    'later-conflicts': [
        f'-L -p', '-L -p 3', f'-L -M 255.0.0.0', f'-L -o', '-L -b flag-1', '-L --pe sip', f'-a {T} -r 10.2.0.2 -o', f'-a {T} -r 10.2.0.2 --syncid 3', f'-a {T} -r 10.2.0.2 --pe sip', f'-A {T} --mcast-interface dum0', f'-A {T} --mcast-group 224.0.0.1', f'-A {T} --mcast-port 3', f'-A {T} --mcast-ttl 3', f'-A {T} --sync-maxlen 1000', f'-A {T} --syncid 3', f'-A {T} --tun-port 80', f'-A {T} --tun-csum', f'-A {T} --tun-nocsum', f'-A {T} --tun-remcsum',
        f'-d {T} -r 10.2.0.2 --tun-port 3', f'-A {T} -6', '-ln', f'-D {T} -6', f'-A -6 {T}', f'-C -6', f'-S -6', f'-C -p', f'-Z -p', f'-R -p', f'-S -p', f'--set 1 2 3 -p', f'-L -f 1 {T}', f'-L {T} -f 1',
    ],
}

# Called by an unprivileged user.
NOBODY = ['', '-L', '-ln', '-h', '-v', f'-A {T}', 'foo', '-A', '-C', '-L --timeout']

PROC_FILES = ['ip_vs', 'ip_vs_conn', 'ip_vs_conn_sync', 'ip_vs_stats', 'ip_vs_stats_percpu', 'ip_vs_app']
# Services are in hash order in /proc/net/ip_vs: one service a table, and one big table whose services have no order.
PROC = [
    [],
    [f'-A {T} -s rr'],
    ONE,
    TABLE[:5],
    TABLE[5:8],
    TABLE[8:12],
    TABLE[12:14],
    ['-A -u 10.1.0.100:5000 -s none'],
    TABLE[22:23] and ['-A -t [fe80::1]:22 -s rr', '-a -t [fe80::1]:22 -r [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:22 -m -w 65535'],
    TABLE,
    [f'-A {T} -s rr -p 100', f'-a {T} -r 10.2.0.2:80 -m'],
    [f'-A {T6} -s rr -p 360', f'-a {T6} -r [2001:db8:2::2]:80 -m'],
    [f'-A {T6} -s rr -p 360 -M 64'],
    [f'-A {U} -s rr -p 60 -M 255.255.255.0 -o', f'-a {U} -r 10.2.0.2:53 -m'],
    ['-A -f 7 -s rr -p 100', '-a -f 7 -r 10.2.0.2:80 -m', '-a -f 7 -r 10.2.0.3 -g'],
    ['-A -f 7 -6 -s rr'],
    ['-A --sctp-service 10.1.0.100:80 -s rr'],
]

C, V, C6, V6 = '10.1.0.2', '10.1.0.100', '2001:db8:1::2', '2001:db8:1::100'


def syn(port, **more):
    return ('client', tcp(C, port, V, 80, 'S', **more))


CONNECTIONS = [
    f'-A {T} -s rr', f'-a {T} -r 10.2.0.2:8000 -m', f'-a {T} -r 10.2.0.3:8000 -m -x 10 -y 5', syn(3001), f'-L -n {T}', '-L -n -c', '-L -c', '-Lnc --persistent-conn',
    ('server', tcp('10.2.0.3', 8000, C, 3001, 'SA', seq=5000, ack=1001)), '-Lnc', ('client', tcp(C, 3001, V, 80, 'A', seq=1001, ack=5001)), '-Lnc', '-ln', '-ln --thresholds', '-ln --persistent-conn', '-ln --tun-info',
    ('client', tcp(C, 3001, V, 80, 'PA', seq=1001, ack=5001, data=b'GET / HTTP/1.0\r\n\r\n')), ('server', tcp('10.2.0.3', 8000, C, 3001, 'PA', seq=5001, ack=1019, data=b'hello')),
    ('wait', 2.6), '-ln --stats', '-ln --stats --exact', f'-ln {T} --stats',
    ('client', tcp(C, 3001, V, 80, 'FA', seq=1019, ack=5006)), '-Lnc', '-ln', ('server', tcp('10.2.0.3', 8000, C, 3001, 'FA', seq=5006, ack=1020)), '-Lnc', '-ln', ('wait', 2.6), '-ln --stats', '-Z', '-ln --stats', '-ln --rate', f'-D {T}', '-Lnc', '-ln',
    f'-A {T} -s wlc', '-ln', f'-a {T} -r 10.2.0.3:8000 -m', '-ln', '-ln --stats', f'-a {T} -r 10.2.0.2:8000 -m', '-ln', f'-d {T} -r 10.2.0.3:8000', f'-a {T} -r 10.2.0.3:8000 -g', f'-a {T} -r 10.2.0.3:8000 -m -w 0', '-ln', '-C',
    f'-A {U} -s rr', f'-a {U} -r 10.2.0.2:5353 -m', ('client', udp(C, 3002, V, 53, b'question')), '-Lnc', f'-Ln {U}', '-C', '-Lnc',
    f'-A {T6} -s rr', f'-a {T6} -r [2001:db8:2::2]:8000 -m', f'-a {T6} -r [2001:db8:2::3]:80 -i', ('client', tcp(C6, 3003, V6, 80, 'S')), '-Lnc', '-ln', ('client', tcp(C6, 3004, V6, 80, 'S')), '-ln', ('wait', 2.6), '-ln --stats', '-ln --thresholds', '-ln --persistent-conn', '-C', '-ln',
    '--set 0 0 0', '--set 55 33 44', '-L --timeout', f'-A {T} -s rr', f'-a {T} -r 10.2.0.4:8000 -m', syn(3005), ('client', tcp(C, 3005, V, 80, 'A')), '-Lnc', ('client', tcp(C, 3005, V, 80, 'R')), '-Lnc', '-C',
]
