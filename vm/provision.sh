#!/bin/bash
# provision.sh master ADDRESS | agent ADDRESS SERVER: install procorch from /tmp/procorch.tar.gz and start it by systemd.
# For an agent the join token lies in /tmp/join-token. May be run again: it installs anew and keeps the cluster's state.
# Wheels that came along in vm/wheels are all that pip uses then; else it asks the package index.
set -euo pipefail
role=$1 address=$2 server=${3:-}
home=/opt/procorch

export DEBIAN_FRONTEND=noninteractive
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  echo "installing python3-venv, which the environment in $home is made with"
  apt-get -qq update
  apt-get -qq install -y python3-venv >/dev/null
fi
rm -rf "$home/src" # what the checkout no longer holds must not be installed again
mkdir -p "$home/src"
tar -xzf /tmp/procorch.tar.gz -C "$home/src"
[ -x "$home/bin/pip" ] || python3 -m venv "$home"
from=()
if [ -d "$home/src/vm/wheels" ]; then
  from=(--no-index --find-links "$home/src/vm/wheels")
fi
"$home/bin/pip" install --quiet --disable-pip-version-check "${from[@]}" "$home/src"
ln -sf "$home/bin/procorch" /usr/local/bin/procorch

if [ "$role" = master ]; then
  options="--advertise-address $address"
else
  install -d -m 700 /etc/procorch
  install -m 600 /tmp/join-token /etc/procorch/join-token
  rm -f /tmp/join-token
  options="--server $server --node-ip $address --token-file /etc/procorch/join-token"
fi
units=("procorch-$role")
if [ "$role" = agent ]; then
  units+=(procorch-pods)
fi
for unit in "${units[@]}"; do
  sed "s|@OPTIONS@|$options|" "$home/src/vm/$unit.service" >"/etc/systemd/system/$unit.service"
done
systemctl daemon-reload
systemctl enable --quiet "procorch-$role"
echo "starting procorch-$role"
if ! timeout 300 systemctl restart "procorch-$role"; then
  journalctl --no-pager --lines 20 --unit "procorch-$role" >&2
  echo "procorch-$role does not come up: its last lines are above" >&2
  exit 1
fi
systemctl --no-pager --lines 0 status "procorch-$role"
