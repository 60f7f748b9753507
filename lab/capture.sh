#!/bin/sh
# Runs a command and writes what the kernel said meanwhile: capture.sh DIRECTORY 'COMMAND'. Works on a machine and in the guest.
#   truth.jsonl  the command's output          kmsg.txt      raw records of /dev/kmsg
#   trace.txt    oom:mark_victim events        counters.txt  kernel, /proc/vmstat oom_kill before and after
out=$1
command=$2
name=oomwitness-lab-capture-$$
instance=/sys/kernel/tracing/instances/$name
mkdir -p "$out"
oom_kill() { sed -n 's/^oom_kill //p' /proc/vmstat; }

if mkdir "$instance" 2>/dev/null; then
  echo mono > "$instance/trace_clock"
  echo 1024 > "$instance/buffer_size_kb"
  echo 1 > "$instance/events/oom/mark_victim/enable"
fi
# Everything after this line of ours is ours.
echo "<6>$name begins" > /dev/kmsg
# A reader that is overrun ends with EPIPE; start it again, and let the gap in the sequence numbers show.
(while :; do cat /dev/kmsg 2>/dev/null; echo "# overrun"; done) > "$out/kmsg.all" &
reader=$!
before=$(oom_kill)
sh -c "$command" > "$out/truth.jsonl"
code=$?
sleep 0.5
{
  echo "kernel $(uname -r)"
  echo "command $command"
  echo "exit $code"
  echo "oom_kill before $before after $(oom_kill)"
} > "$out/counters.txt"
if [ -d "$instance" ]; then
  cp "$instance/trace" "$out/trace.txt"
  rmdir "$instance"
fi
child=$(ps -o pid,ppid | sed -n "s/^ *\([0-9]*\) *$reader\$/\1/p")
kill $reader $child 2>/dev/null
# A restarted reader begins with the oldest record again: keep each sequence number once.
sed "1,/;$name begins/d" "$out/kmsg.all" |
  awk -F '[,;]' '/^[0-9]/ { new = $2 + 0 > last; if (new) last = $2 + 0 } new || /^#/' > "$out/kmsg.txt"
rm -f "$out/kmsg.all"
exit $code
