#!/bin/sh
# Three masters and two workers without KlusterKit: the script that somebody careful writes for it, run from the control
# machine, with `&` wherever things may happen side by side. It makes the same cluster, as far as kubeadm's guides say
# how: keepalived asks the API server, cluster DNS isn't on one node alone. It ends when all nodes are Ready and cluster
# DNS is up. Nothing is checked beforehand, nothing can be taken back.
#
#   MIRROR=… MASTER_IMAGES=… WORKER_IMAGES=… SSH_KEY=… KNOWN_HOSTS=… FLANNEL=manifest.yaml \
#       bench/bare-several.sh VERSION POD_NETWORK SERVICE_NETWORK VIRTUAL_ADDRESS "MASTER MASTER MASTER" "WORKER WORKER"
set -eu
version=$1 pods=$2 services=$3 vip=$4 masters=$5 workers=$6
first=${masters%% *} others=${masters#* }
folder=$(mktemp -d)
trap 'for host in $masters $workers; do
    ssh -q -O exit -o ControlPath="$folder/%h" "root@$host" 2>/dev/null || true
done; rm -rf "$folder"' EXIT
connection="-q -i $SSH_KEY -o UserKnownHostsFile=$KNOWN_HOSTS -o StrictHostKeyChecking=yes
    -o ControlMaster=auto -o ControlPath=$folder/%h -o ControlPersist=60"

on() { # HOST ARGUMENT…: the script on standard input, there
    host=$1
    shift
    # shellcheck disable=SC2086
    ssh $connection "root@$host" sh -eus "$@"
}
copy() { # FROM… TO
    # shellcheck disable=SC2086
    scp $connection -r "$@"
}
all() { # wait for all of these, and fail if one did
    for process in "$@"; do wait "$process"; done
}

# Files by names that don't collide: an image's own is only its tag.
mkdir "$folder/programs" "$folder/etcd" "$folder/masters" "$folder/workers"
ln -s "$MIRROR/dl.k8s.io/release/$version/bin/linux/amd64"/kube??? \
    "$MIRROR/github.com/opencontainers/runc/releases/download"/*/runc.amd64 \
    "$MIRROR/github.com/containerd/containerd/releases/download"/*/containerd-*-amd64.tar.gz \
    "$MIRROR/github.com/containernetworking/plugins/releases/download"/*/cni-plugins-linux-amd64-*.tgz "$folder/programs"
ln -s "$MIRROR/github.com/etcd-io/etcd/releases/download"/*/etcd-*-amd64.tar.gz "$folder/etcd"
link() {
    ln -s "$MIRROR/images/$(echo "$1" | tr : /).tar" "$2/$(echo "$1" | tr /: __).tar"
}
for image in $MASTER_IMAGES; do link "$image" "$folder/masters"; done
for image in $WORKER_IMAGES; do link "$image" "$folder/workers"; done

# All hosts side by side: files, containerd, images, programs.
prepare() { # HOST ROLE
    echo 'mkdir -p /root/artifacts' | on "$1"
    copy "$folder/programs" "$folder/$2" "root@$1:/root/artifacts/"
    [ "$2" = workers ] || copy "$folder/etcd" "root@$1:/root/artifacts/"
    on "$1" "$2" <<'EOF'
role=$1
cd /root/artifacts
printf 'overlay\nbr_netfilter\n' >/etc/modules-load.d/kubernetes.conf
modprobe -a overlay br_netfilter 2>/dev/null || true
printf 'net.ipv4.ip_forward=1\nnet.bridge.bridge-nf-call-iptables=1\n' >/etc/sysctl.d/kubernetes.conf
sysctl -q --load /etc/sysctl.d/kubernetes.conf
mkdir -p /opt/cni/bin /etc/containerd
tar -xzf programs/containerd-*.tar.gz -C /usr/local
tar -xzf programs/cni-plugins-*.tgz -C /opt/cni/bin
install -m 755 programs/runc.amd64 /usr/local/sbin/runc
cat >/etc/containerd/config.toml <<TOML
version = 3
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
TOML
cat >/etc/systemd/system/containerd.service <<UNIT
[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
[Install]
WantedBy=multi-user.target
UNIT
install -m 755 programs/kubeadm programs/kubelet programs/kubectl /usr/local/bin/
cat >/etc/systemd/system/kubelet.service <<UNIT
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet \$KUBELET_KUBECONFIG_ARGS --config=/var/lib/kubelet/config.yaml \$KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=10
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable -q --now containerd
systemctl enable -q kubelet
imports=
for image in "$role"/*.tar; do
    ctr -n k8s.io images import "$image" >/dev/null &
    imports="$imports $!"
done
[ "$role" = workers ] || tar -xzf etcd/etcd-*.tar.gz -C /usr/local/bin --strip-components=1 --wildcards '*/etcd' '*/etcdctl'
for import in $imports; do wait "$import"; done
EOF
}
running=
for host in $masters; do
    prepare "$host" masters &
    running="$running $!"
done
workers_running=
for host in $workers; do
    prepare "$host" workers &
    workers_running="$workers_running $!"
done
# shellcheck disable=SC2086
all $running

# Authorities on the first master, given to the others; etcd on all of them at once.
copy "$FLANNEL" "root@$first:/root/flannel.yaml"
on "$first" "$version" <<'EOF'
printf 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: %s\n' "$1" >/root/etcd.yaml
for authority in ca front-proxy-ca etcd-ca; do kubeadm init phase certs "$authority" --config /root/etcd.yaml >/dev/null; done
kubeadm init phase certs sa >/dev/null
kubeadm init phase certs apiserver-etcd-client --config /root/etcd.yaml >/dev/null
EOF
copy "root@$first:/etc/kubernetes/pki" "$folder/"
cluster=
for host in $masters; do cluster="$cluster${cluster:+,}$host=https://$host:2380"; done
member() { # HOST
    [ "$1" = "$first" ] || {
        echo 'mkdir -p /etc/kubernetes' | on "$1"
        copy "$folder/pki" "root@$1:/etc/kubernetes/"
    }
    on "$1" "$1" "$version" "$cluster" <<'EOF'
address=$1 version=$2 cluster=$3 pki=/etc/kubernetes/pki
printf 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: %s\n' "$version" >/root/etcd.yaml
for certificate in etcd-server etcd-peer; do
    kubeadm init phase certs "$certificate" --config /root/etcd.yaml >/dev/null
done
cat >/etc/systemd/system/etcd.service <<UNIT
[Service]
Type=notify
ExecStart=/usr/local/bin/etcd --name $address --data-dir /var/lib/etcd \
    --listen-client-urls https://127.0.0.1:2379,https://$address:2379 --advertise-client-urls https://$address:2379 \
    --listen-peer-urls https://$address:2380 --initial-advertise-peer-urls https://$address:2380 \
    --initial-cluster $cluster \
    --client-cert-auth --trusted-ca-file $pki/etcd/ca.crt --cert-file $pki/etcd/server.crt --key-file $pki/etcd/server.key \
    --peer-client-cert-auth --peer-trusted-ca-file $pki/etcd/ca.crt \
    --peer-cert-file $pki/etcd/peer.crt --peer-key-file $pki/etcd/peer.key
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable -q --now etcd
EOF
}
running=
for host in $masters; do
    member "$host" &
    running="$running $!"
done
# shellcheck disable=SC2086
all $running

# The address, and Kubernetes on the first master.
address() { # HOST
    # shellcheck disable=SC2086
    on "$1" "$1" "$vip" $masters <<'EOF'
address=$1 vip=$2
shift 2
interface=$(ip -oneline -4 address | awk -v at="$address" 'index($4, at "/") == 1 {print $2}')
mkdir -p /etc/keepalived
# As kubeadm's guide to highly available clusters has it (kubernetes/kubeadm, docs/ha-considerations.md).
cat >/etc/keepalived/check_apiserver.sh <<'CHECK'
#!/bin/sh
curl -sfk --max-time 2 https://localhost:6443/healthz -o /dev/null
CHECK
chmod 755 /etc/keepalived/check_apiserver.sh
cat >/etc/keepalived/keepalived.conf <<CONF
vrrp_script check_apiserver {
    script "/etc/keepalived/check_apiserver.sh"
    interval 3
    weight -2
    fall 10
    rise 2
}
vrrp_instance api {
    state BACKUP
    nopreempt
    interface $interface
    virtual_router_id 61
    priority 100
    unicast_src_ip $address
    unicast_peer {
$(for peer; do [ "$peer" = "$address" ] || echo "        $peer"; done)
    }
    virtual_ipaddress {
        $vip/32
    }
    track_script {
        check_apiserver
    }
}
CONF
systemctl enable -q --now keepalived
EOF
}
address "$first"
endpoints=
for host in $masters; do endpoints="$endpoints${endpoints:+,}https://$host:2379"; done
on "$first" "$first" "$version" "$pods" "$services" "$vip" "$endpoints" <<'EOF' >"$folder/said"
address=$1 version=$2 pods=$3 services=$4 vip=$5 endpoints=$6 pki=/etc/kubernetes/pki
cat >/root/kubeadm.yaml <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: $address}
nodeRegistration: {criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $version
controlPlaneEndpoint: $vip:6443
networking: {podSubnet: $pods, serviceSubnet: $services}
etcd:
  external:
    endpoints: [$endpoints]
    caFile: $pki/etcd/ca.crt
    certFile: $pki/apiserver-etcd-client.crt
    keyFile: $pki/apiserver-etcd-client.key
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
$([ -f /sys/fs/cgroup/cgroup.controllers ] || printf 'cgroupDriver: cgroupfs\nfailCgroupV1: false')
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, min: 0}
YAML
kubeadm init --config /root/kubeadm.yaml --ignore-preflight-errors=SystemVerification >/root/init.log 2>&1
export KUBECONFIG=/etc/kubernetes/admin.conf
if ! grep -q nameserver /etc/resolv.conf; then # CoreDNS stops where it has nowhere to forward to
    kubectl -n kube-system get configmap coredns -o yaml | sed '/forward/,/}/d' | kubectl replace -f - >/dev/null
fi
kubectl apply -f /root/flannel.yaml >/dev/null
kubeadm token create --print-join-command
EOF
join=$(grep '^kubeadm join' "$folder/said")

# The others, all at once.
# shellcheck disable=SC2086
all $workers_running
running=
for host in $others; do
    { echo "$join --control-plane --apiserver-advertise-address $host --ignore-preflight-errors=SystemVerification" | on "$host" >/dev/null
        address "$host"; } &
    running="$running $!"
done
for host in $workers; do
    echo "$join --ignore-preflight-errors=SystemVerification" | on "$host" >/dev/null &
    running="$running $!"
done
# shellcheck disable=SC2086
all $running
on "$first" <<'EOF'
export KUBECONFIG=/etc/kubernetes/admin.conf
until [ "$(kubectl get nodes -o name | wc -l)" = 5 ]; do sleep 0.2; done
kubectl wait --for=condition=Ready --all nodes --timeout=180s
# Both of its pods are on the first node. What kubeadm's guide says of that (create-cluster-kubeadm, "Join nodes"):
kubectl -n kube-system rollout restart deployment/coredns >/dev/null
kubectl -n kube-system rollout status deployment/coredns --timeout=180s
EOF
