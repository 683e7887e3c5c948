#!/bin/bash
# vm/uml.sh COMMAND...: run COMMAND as root under a kernel of its own with cgroup v2 (Debian's user-mode-linux), so that
# what is made for v2 machines is tested on a v1 one. The file system is this machine's, read-only below an overlay in
# memory: what COMMAND writes is gone afterwards. Prints COMMAND's output, exits with its code.
#
# The kernel is that of Debian's next release, with the C library it wants, kept beside this machine's own packages:
# before Linux 6.13 user-mode-linux keeps a process's registers in a room of fixed size, and where the CPU has more of
# them (AMX) it ends before its first program.
#
# UML_DIR: where the kernel is kept (default: ~/.cache/procorch-uml; apt fetches 50 MB once; delete it for a newer one).
# UML_TIMEOUT: seconds until the kernel is ended (default 600). UML_MEM: its memory (default 2G).
# Exit codes of its own: 77 the kernel cannot be had or does not start here, 125 the kernel ended before COMMAND did.
set -euo pipefail

suite=forky
kept=${UML_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/procorch-uml}
kernel=$kept/$suite

say() { printf 'vm/uml.sh: %s\n' "$1" >&2; }

# The four files that make the kernel run, into $kernel: all or none. Apt's own lists and sources stay as they are.
fetch() (
    set -e
    new=$(mktemp -d -p "$kept")
    trap 'rm -rf "$new"' EXIT
    mkdir -p "$new"/{lists,cache}/partial "$new/unpacked" "$new/kernel"
    # This machine's own mirror, if apt has one of Debian's.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | sed 1q) || true
    echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "${mirror:-http://deb.debian.org/debian} $suite main" > "$new/sources"
    for option in Dir::Etc::{sourceparts,preferences,preferencesparts}=/dev/null Dir::Etc::sourcelist="$new/sources" \
        Dir::State::status=/dev/null Dir::State::lists="$new/lists" Dir::Cache="$new/cache" APT::Default-Release= \
        APT::Sandbox::User=root Acquire::Languages=none; do
        options+=(-o "$option")
    done
    apt-get -qq "${options[@]}" update
    cd "$new"
    apt-get -qq "${options[@]}" download user-mode-linux libc6
    for package in ./*.deb; do dpkg-deb -x "$package" unpacked; done
    cp -L unpacked/usr/bin/linux.uml unpacked/usr/lib/uml/modules/*/kernel/fs/overlayfs/overlay.ko \
        unpacked/usr/lib/x86_64-linux-gnu/{ld-linux-x86-64.so.2,libc.so.6} kernel
    # Its loader is the one of the directory that it is started in; a name of the same length, for nothing may move.
    LC_ALL=C sed -i 's|/lib64/\(ld-linux-x86-64\.so\.2\)|.//////\1|' kernel/linux.uml
    mv kernel "$kernel"
)

if [ $# -eq 0 ]; then
    sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"
    exit 2
fi
if [ ! -x "$kernel/linux.uml" ]; then
    [ "$(uname -m)" = x86_64 ] || { say "there is no user-mode-linux for $(uname -m)"; exit 77; }
    command -v apt-get dpkg-deb > /dev/null || { say "it takes Debian's apt to fetch user-mode-linux"; exit 77; }
    mkdir -p "$kept"
    exec {lock}> "$kept/lock"
    flock "$lock" # two that start at once fetch once
    if [ ! -x "$kernel/linux.uml" ]; then
        say "fetching Debian's user-mode-linux ($suite) into $kernel"
        set +e # not `fetch || ...`: what stands in a condition does not end at its first error
        fetch >&2
        code=$?
        set -e
        [ $code = 0 ] || { say "Debian's package user-mode-linux ($suite) cannot be had"; exit 77; }
    fi
    exec {lock}>&-
fi

# insmod (kmod) is not on every machine; finit_module(2) is in every kernel.
python=$(readlink -f "$(command -v python3)")

# The host's side of the conversation: a directory that the guest mounts by hostfs.
talk=$(mktemp -d)
trap 'rm -rf "$talk"' EXIT
printf '%q ' "$@" > "$talk/command"
export -p | grep -vE '^declare -[a-z-]*r|^declare -x (SHELLOPTS|BASHOPTS|_)=' > "$talk/environment"
printf 'cd %q\n' "$PWD" >> "$talk/environment"

# First program of the guest: an overlay over the machine's files becomes the root, with what Linux needs mounted in it.
cat > "$talk/init" <<INIT
#!/bin/bash
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
$python - "$kernel/overlay.ko" <<'LOAD'
import ctypes, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
sys.exit(ctypes.CDLL(None).syscall(313, fd, b"", 0) and "the overlay module cannot be loaded")
LOAD
mount -t tmpfs memory /mnt
mkdir -p /mnt/upper /mnt/work /mnt/root
mount -t overlay root -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
for pair in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sf "\${pair#*:}" "dev/\${pair%%:*}"; done
mount -t tmpfs run run
mkdir -p ".$talk" && mount -t hostfs talk -o "$talk" ".$talk"
mount -t cgroup2 cgroup sys/fs/cgroup
mkdir -p machine && pivot_root . machine && umount -l machine && exec /bin/bash "$talk/main"
INIT

# From "begin" on the console is COMMAND's, but for a panic's last words.
cat > "$talk/main" <<MAIN
. "$talk/environment"
export UML=1
hostname uml
ip link set lo up
mkdir /sys/fs/cgroup/init && echo \$\$ > /sys/fs/cgroup/init/cgroup.procs
echo '+cpu +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control
echo 1 > /proc/sys/kernel/printk
echo "=== begin"
eval "\$(cat "$talk/command")" < /dev/null 2>&1
echo \$? > "$talk/code"
sync
echo "=== end"
echo o > /proc/sysrq-trigger
sleep 10
MAIN
chmod +x "$talk/init"

cd "$kernel" # the loader's name is relative
say "cgroup v2 by user-mode-linux $(LD_LIBRARY_PATH=. ./linux.uml --version)"
set +e
{ # with no errors of its own: "Aborted" is how every panic ends
    timeout "${UML_TIMEOUT:-600}" env TMPDIR=/dev/shm LD_LIBRARY_PATH=. ./linux.uml mem="${UML_MEM:-2G}" seccomp=auto \
        root=/dev/root rootfstype=hostfs rootflags=/ ro con=null con0=null,fd:1 uml_dir="$talk" umid=guest \
        init="$talk/init" < /dev/null 2>&1
    echo $? > "$talk/ended"
} 2> /dev/null |
    awk -v console="$talk/console" '{sub(/\r$/, ""); print > console; fflush(console)}
        /^=== end/ {shown = 0} shown {print; fflush()} /^=== begin/ {shown = 1}'
set -e
[ ! -s "$talk/code" ] || exit "$(cat "$talk/code")"
if [ "$(cat "$talk/ended")" = 124 ]; then
    say "ended after ${UML_TIMEOUT:-600} s (UML_TIMEOUT); the last lines of the kernel's console:"
elif grep -q '^=== begin' "$talk/console"; then
    say "the kernel ended before the command did; the last lines of its console:"
else
    say "user-mode-linux does not start on this machine; the last lines of its console:"
    early=77
fi
grep -vE '^ +(\[<|[0-9a-f]{8} )' "$talk/console" | tail -n 20 >&2 # a panic's stack is long, and nobody's here
exit "${early:-125}"
