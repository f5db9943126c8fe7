#!/bin/sh
# One master without KlusterKit: the script that somebody careful writes for it, run from the control machine.
# It ends when the node is Ready and cluster DNS is up. Nothing is checked beforehand, nothing can be taken back.
#
#   MIRROR=… IMAGES=… SSH_KEY=… KNOWN_HOSTS=… FLANNEL=manifest.yaml bench/bare.sh ADDRESS VERSION POD_NETWORK SERVICE_NETWORK
set -eu
address=$1 version=$2 pods=$3 services=$4
folder=$(mktemp -d)
trap 'ssh -q -O exit -o ControlPath="$folder/ssh" "root@$address" 2>/dev/null || true; rm -rf "$folder"' EXIT
connection="-q -i $SSH_KEY -o UserKnownHostsFile=$KNOWN_HOSTS -o StrictHostKeyChecking=yes
    -o ControlMaster=auto -o ControlPath=$folder/ssh -o ControlPersist=60"

# Files by names that don't collide: an image's own is only its tag.
mkdir "$folder/programs" "$folder/images"
ln -s "$MIRROR/dl.k8s.io/release/$version/bin/linux/amd64"/kube??? \
    "$MIRROR/github.com/opencontainers/runc/releases/download"/*/runc.amd64 \
    "$MIRROR/github.com/etcd-io/etcd/releases/download"/*/etcd-*-amd64.tar.gz \
    "$MIRROR/github.com/containerd/containerd/releases/download"/*/containerd-*-amd64.tar.gz \
    "$MIRROR/github.com/containernetworking/plugins/releases/download"/*/cni-plugins-linux-amd64-*.tgz "$folder/programs"
for image in $IMAGES; do
    ln -s "$MIRROR/images/$(echo "$image" | tr : /).tar" "$folder/images/$(echo "$image" | tr /: __).tar"
done
# shellcheck disable=SC2086
ssh $connection "root@$address" mkdir -p /root/artifacts
# shellcheck disable=SC2086
scp $connection -r "$folder/programs" "$folder/images" "$FLANNEL" "root@$address:/root/artifacts/"

# shellcheck disable=SC2086
ssh $connection "root@$address" sh -eus "$address" "$version" "$pods" "$services" "$(basename "$FLANNEL")" <<'END'
address=$1 version=$2 pods=$3 services=$4 flannel=$5
cd /root/artifacts

# The host.
printf 'overlay\nbr_netfilter\n' >/etc/modules-load.d/kubernetes.conf
modprobe -a overlay br_netfilter 2>/dev/null || true
printf 'net.ipv4.ip_forward=1\nnet.bridge.bridge-nf-call-iptables=1\n' >/etc/sysctl.d/kubernetes.conf
sysctl -q --load /etc/sysctl.d/kubernetes.conf

# containerd, and the images side by side.
mkdir -p /opt/cni/bin /etc/containerd
tar -xzf programs/containerd-*.tar.gz -C /usr/local
tar -xzf programs/cni-plugins-*.tgz -C /opt/cni/bin
install -m 755 programs/runc.amd64 /usr/local/sbin/runc
cat >/etc/containerd/config.toml <<EOF
version = 3
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
EOF
cat >/etc/systemd/system/containerd.service <<EOF
[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload
systemctl enable -q --now containerd
imports=
for image in images/*.tar; do
    ctr -n k8s.io images import "$image" >/dev/null &
    imports="$imports $!"
done

# Programs, and the kubelet's unit as kubeadm's packages have it.
install -m 755 programs/kubeadm programs/kubelet programs/kubectl /usr/local/bin/
cat >/etc/systemd/system/kubelet.service <<EOF
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet \$KUBELET_KUBECONFIG_ARGS --config=/var/lib/kubelet/config.yaml \$KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=10
[Install]
WantedBy=multi-user.target
EOF

# etcd, with certificates from kubeadm.
tar -xzf programs/etcd-*.tar.gz -C /usr/local/bin --strip-components=1 --wildcards '*/etcd' '*/etcdctl'
printf 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: %s\n' "$version" >etcd.yaml
for certificate in etcd-ca etcd-server etcd-peer apiserver-etcd-client; do
    kubeadm init phase certs "$certificate" --config etcd.yaml >/dev/null
done
pki=/etc/kubernetes/pki
cat >/etc/systemd/system/etcd.service <<EOF
[Service]
Type=notify
ExecStart=/usr/local/bin/etcd --name master --data-dir /var/lib/etcd \
    --listen-client-urls https://127.0.0.1:2379,https://$address:2379 --advertise-client-urls https://$address:2379 \
    --listen-peer-urls https://$address:2380 --initial-advertise-peer-urls https://$address:2380 \
    --initial-cluster master=https://$address:2380 \
    --client-cert-auth --trusted-ca-file $pki/etcd/ca.crt --cert-file $pki/etcd/server.crt --key-file $pki/etcd/server.key \
    --peer-client-cert-auth --peer-trusted-ca-file $pki/etcd/ca.crt \
    --peer-cert-file $pki/etcd/peer.crt --peer-key-file $pki/etcd/peer.key
[Install]
WantedBy=multi-user.target
EOF
systemctl daemon-reload
systemctl enable -q --now etcd
systemctl enable -q kubelet

# Kubernetes.
cat >kubeadm.yaml <<EOF
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: $address}
nodeRegistration: {criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $version
networking: {podSubnet: $pods, serviceSubnet: $services}
etcd:
  external:
    endpoints: ["https://$address:2379"]
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
EOF
for import in $imports; do wait "$import"; done
kubeadm init --config kubeadm.yaml --ignore-preflight-errors=SystemVerification
export KUBECONFIG=/etc/kubernetes/admin.conf
if ! grep -q nameserver /etc/resolv.conf; then # CoreDNS stops where it has nowhere to forward to
    kubectl -n kube-system get configmap coredns -o yaml | sed '/forward/,/}/d' | kubectl replace -f -
fi
kubectl apply -f "$flannel"
kubectl wait --for=condition=Ready --all nodes --timeout=180s
kubectl -n kube-system rollout status deployment/coredns --timeout=180s
END
