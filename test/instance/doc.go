// Package instance runs the instance manager as a pod does: as PID 1 in
// namespaces of its own, over the PostgreSQL image's root file system, as a UID
// without a passwd entry; against a real API server with the Role that the operator gives it. The tests
// play the operator: they create the Lease and the slices, and send configurations.
//
// It needs root, the image's root file system (make -C images) and the local cluster's kube-apiserver and etcd.
package instance
