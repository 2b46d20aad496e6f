# Runs the instance manager as PID 1 of something that is to it what a pod is: its own PID, mount and network namespace, the PostgreSQL
# image's root file system read-only, the mounts of internal/desired, any UID, no capabilities.
# Arguments: root file system, directory of the pod, UID, then the environment.
set -e
rootfs=$1 pod=$2 uid=$3
shift 3
mount --make-rprivate /
mkdir -p "$pod/layer" "$pod/root"
mount -t tmpfs tmpfs "$pod/layer"
mkdir "$pod/layer/upper" "$pod/layer/work"
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$pod/layer/upper,workdir=$pod/layer/work" "$pod/root"
cd "$pod/root"
mkdir -p var/lib/timonier/data run/timonier opt/timonier etc/timonier/certificates var/run/secrets/kubernetes.io/serviceaccount proc dev tmp
touch etc/hosts
mount --bind "$pod/data" var/lib/timonier/data
if [ -d "$pod/wal" ]; then
	mkdir -p var/lib/timonier/wal
	mount --bind "$pod/wal" var/lib/timonier/wal
fi
mount --bind "$pod/run" run/timonier
mount --bind "$pod/program" opt/timonier
mount --bind "$pod/../hosts" etc/hosts
mount --bind "$pod/../certificates" etc/timonier/certificates
mount --bind "$pod/../account" var/run/secrets/kubernetes.io/serviceaccount
mount -t proc proc proc
mount -t tmpfs tmpfs dev
mkdir dev/shm
chmod 1777 dev/shm
mount -t tmpfs -o mode=1777 tmpfs tmp
for device in null zero random urandom; do
	touch "dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mount -o remount,ro "$pod/root"
exec chroot --userspec="$uid:10001" --groups="" . \
	/usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin "$@" /opt/timonier/timonier-instance run
