#!/bin/bash
# vm/uml.sh COMMAND...: run COMMAND as root under a kernel of its own with cgroup v2 (Debian's user-mode-linux), so that
# what is made for v2 machines is tested on a v1 one. The file system is this machine's, read-only below an overlay in
# memory: what COMMAND writes is gone afterwards. Prints COMMAND's output, exits with its code.
#
# UML_DIR: where the unpacked package is kept (default: ~/.cache/procorch-uml; downloaded by apt if it is missing).
# UML_TIMEOUT: seconds until the kernel is ended (default 600). UML_MEM: its memory (default 2G).
# Exit codes of its own: 77 the package cannot be had or its kernel does not start on this CPU, 125 the kernel ended before COMMAND did.
set -euo pipefail

package=${UML_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/procorch-uml}
kernel=$package/usr/bin/linux.uml

if [ $# -eq 0 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
fi
if grep -qw amx_tile /proc/cpuinfo; then
    # It keeps a process's registers in less room than AMX needs, and aborts in put_fp_registers before its first program.
    echo "vm/uml.sh: user-mode-linux does not start on a CPU with AMX" >&2
    exit 77
fi
if [ ! -x "$kernel" ]; then
    mkdir -p "$package"
    (cd "$package" && apt-get -qq -o APT::Sandbox::User=root download user-mode-linux) ||
        { echo "vm/uml.sh: the Debian package user-mode-linux cannot be downloaded" >&2; exit 77; }
    dpkg -x "$package"/user-mode-linux_*.deb "$package"
    rm -f "$package"/user-mode-linux_*.deb
fi
# insmod (kmod) is not on every machine; finit_module(2) is in every kernel.
python=$(readlink -f "$(command -v python3)")
case $(uname -m) in x86_64) finit_module=313 ;; *) finit_module=273 ;; esac
modules=$(echo "$package"/usr/lib/uml/modules/*)

# The host's side of the conversation: a directory that the guest mounts by hostfs.
talk=$(mktemp -d)
trap 'rm -rf "$talk"' EXIT
printf '%q ' "$@" > "$talk/command"
export -p | grep -vE '^declare -[a-z-]*r|^declare -x (SHELLOPTS|BASHOPTS|_)=' > "$talk/environment"
printf 'cd %q\n' "$PWD" >> "$talk/environment"

# First program of the guest: an overlay over the machine's files becomes the root, with what a Linux needs mounted in it.
cat > "$talk/init" <<INIT
#!/bin/bash
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
$python - $modules/kernel/fs/overlayfs/overlay.ko <<'LOAD'
import ctypes, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
sys.exit(ctypes.CDLL(None).syscall($finit_module, fd, b"", 0) and "the overlay module cannot be loaded")
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

cat > "$talk/main" <<MAIN
. "$talk/environment"
export UML=1
hostname uml
ip link set lo up
mkdir /sys/fs/cgroup/init && echo \$\$ > /sys/fs/cgroup/init/cgroup.procs
echo '+cpu +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control
echo "=== begin"
eval "\$(cat "$talk/command")" < /dev/null 2>&1
echo \$? > "$talk/code"
sync
echo "=== end"
echo o > /proc/sysrq-trigger
sleep 10
MAIN
chmod +x "$talk/init"

TMPDIR=/dev/shm timeout "${UML_TIMEOUT:-600}" "$kernel" mem="${UML_MEM:-2G}" root=/dev/root rootfstype=hostfs \
    rootflags=/ ro quiet loglevel=0 con=null con0=null,fd:1 umid="procorch$$" init="$talk/init" < /dev/null 2>&1 |
    tr -d '\r' | awk '/^=== end/ {shown = 0} shown {print; fflush()} /^=== begin/ {shown = 1}' || true
exit "$(cat "$talk/code" 2>/dev/null || echo 125)"
