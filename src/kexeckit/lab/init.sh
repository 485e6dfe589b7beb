#!/bin/sh
# PID 1 of a lab guest. Mounts what is needed, writes the standard report to the record channel, runs the job,
# restarts the machine. busybox runs its own applets without any file in $PATH, so this is quick.
#
# The channel is a serial port that carries nothing but records: "KKREC NAME LENGTH\n", LENGTH bytes, "\n".
# Each record opens and closes the port: the close waits until the last byte has left, which matters when
# the next thing that happens is a crash.

export PATH=/bin:/usr/bin HOME=/ LC_ALL=C
/bin/busybox mount -t proc proc /proc  # by path: applets without a file are started through /proc/self/exe
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null

. /etc/kexeckit.conf
[ -e /proc/vmcore ] && STAGE=capture
export CHANNEL STAGE
stty -F "$CHANNEL" raw -echo 115200 2>/dev/null

# emit NAME FILE: send one finished file. Files below /proc and /sys must be copied first (their size says nothing).
emit() {
    { printf 'KKREC %s/%s %s\n' "$STAGE" "$1" "$(stat -L -c %s "$2")"; cat "$2"; echo; } >"$CHANNEL"
}

# emit_text NAME WORDS: send a short text.
emit_text() {
    printf 'KKREC %s/%s %s\n%s\n' "$STAGE" "$1" "${#2}" "$2" >"$CHANNEL"
}

# say WORDS: progress, for the console.
say() { echo "kexeckit: $STAGE: $*" >/dev/console; }

# run NAME COMMAND...: run it and send NAME.out (stdout and stderr) and NAME.status.
run() {
    _name=$1; shift
    say "$_name"
    "$@" >/tmp/out 2>&1
    _status=$?
    emit "$_name.out" /tmp/out
    emit_text "$_name.status" "$_status"
    return $_status
}

# crash: panic now. If a crash kernel is loaded it starts; if not the machine restarts, which ends it.
crash() {
    say "panic on purpose"
    echo 1 >/proc/sys/kernel/sysrq
    echo c >/proc/sysrq-trigger
}

# finish: the last record of a stage that is also the last of the run, then stop the machine at once.
finish() {
    emit_text end "${1:-0}"
    echo 1 >/proc/sys/kernel/sysrq
    echo b >/proc/sysrq-trigger
    sleep 60
}

# copy NAME PATH: put a file of /proc or /sys into the report; one that does not exist is left out.
copy() { [ -e "$2" ] && cat "$2" >"/tmp/report/$1" 2>/dev/null; }

# Every file below a folder as lines "path:content", binary files as they are.
tree() { [ -d "$2" ] && grep -r . "$2" >"/tmp/report/$1" 2>/dev/null; }

collect() {
    mkdir -p /tmp/report
    copy iomem /proc/iomem
    copy cmdline /proc/cmdline
    copy zoneinfo /proc/zoneinfo
    copy version /proc/version
    tree firmware_memmap /sys/firmware/memmap
    dmesg >/tmp/report/dmesg
    for _file in /sys/kernel/kexec_* /sys/kernel/vmcoreinfo; do copy "${_file##*/}" "$_file"; done
    for _file in /sys/kernel/kexec/*; do copy "kexec.${_file##*/}" "$_file"; done
    for _file in /sys/kernel/debug/memblock/*; do copy "memblock_${_file##*/}" "$_file"; done
    copy boot_params /sys/kernel/boot_params/data
    for _folder in /sys/kernel/boot_params/setup_data/*/; do
        [ -e "$_folder/type" ] || continue
        _number=$(basename "$_folder")
        copy "setup_data_$_number.type" "$_folder/type"
        copy "setup_data_$_number.data" "$_folder/data"
    done
    [ -e /sys/firmware/fdt ] && gzip -c /sys/firmware/fdt >/tmp/report/device_tree.gz
    grep -h . /sys/devices/system/node/node*/meminfo >/tmp/report/node_meminfo 2>/dev/null
    [ "$KALLSYMS" ] && grep -E ' (_text|_stext|_etext|_end|_sinittext|_einittext)$' /proc/kallsyms >/tmp/report/kallsyms
    if [ -e /proc/vmcore ]; then vmcore; fi
}

# The headers of the old memory: 64 KiB, or more where there are many program headers (e_phnum stands at 56).
vmcore() {
    stat -c %s /proc/vmcore >/tmp/report/vmcore_size
    _count=$(dd if=/proc/vmcore bs=1 skip=56 count=2 2>/dev/null | od -An -tu2)
    _blocks=$(( (_count * 56 + 64) / 65536 + 1 ))
    dd if=/proc/vmcore bs=64k count=$_blocks of=/tmp/report/vmcore_header 2>/dev/null
    if [ "$READ_VMCORE" ]; then
        say "read all of /proc/vmcore"
        cat /proc/vmcore 2>/tmp/report/vmcore_read_error | wc -c >/tmp/report/vmcore_read
    fi
}

# One stat for all files, not one for each.
send() {
    ( cd /tmp/report && stat -c '%s %n' * ) | while read -r _size _name; do
        printf 'KKREC %s/%s %s\n' "$STAGE" "$_name" "$_size"; cat "/tmp/report/$_name"; echo
    done >"$CHANNEL"
}

say "report"
if [ "$REPORT" ]; then collect; send; fi
emit_text reported "$(cut -d' ' -f1 /proc/uptime)"
if [ "$STAGE" != capture ] && [ -f /etc/kexeckit.job ]; then
    . /etc/kexeckit.job
fi
if [ "$STAGE" = capture ] && [ -f /etc/kexeckit.capture ]; then
    . /etc/kexeckit.capture
fi
finish
