modprobe ip_vs
printf '@kernel\t%s\n' "$(uname -r -v)"
python3 run.py
