// Package csi is the part of the volume driver that runs on every node. The kubelet asks it over a
// socket to mount a volume for the node (stage), to show it to a pod (publish), to grow it and to
// say how full it is. A volume is an XFS file system in an image file, attached to a loop device.
//
// The kubelet finds the driver by itself, over its plugin-registration socket, so none of the usual
// sidecar containers is needed.
package csi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// DriverName is the name of the driver in storage classes and volumes.
const DriverName = "volumes.localcluster.timonier.io"

// Sockets of the driver, where a kubelet looks for them.
const (
	kubeletDir         = "/var/lib/kubelet"
	serviceSocket      = kubeletDir + "/plugins/" + DriverName + "/csi.sock"
	registrationSocket = kubeletDir + "/plugins_registry/" + DriverName + "-reg.sock"
)

// Driver serves one node.
type Driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer

	// Node is the node's name.
	Node string
	// Volumes is the directory of the image files, the same on all nodes.
	Volumes string
	// Log gets one line for each thing done.
	Log func(format string, args ...any)
}

// Run serves until the context ends.
func (d *Driver) Run(ctx context.Context) error {
	service, err := listen(serviceSocket)
	if err != nil {
		return err
	}
	// The registration last: the kubelet calls the service as soon as it sees this socket.
	registrar, err := listen(registrationSocket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(d.logged))
	csi.RegisterIdentityServer(server, d)
	csi.RegisterNodeServer(server, d)
	registration.RegisterRegistrationServer(server, d)
	failed := make(chan error, 2)
	for _, l := range []net.Listener{service, registrar} {
		go func() { failed <- server.Serve(l) }()
	}
	select {
	case <-ctx.Done():
		server.Stop()
		return nil
	case err := <-failed:
		return fmt.Errorf("serving the kubelet: %w", err)
	}
}

func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("making the directory of a socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the socket of a former driver: %w", err)
	}
	return net.Listen("unix", path)
}

func (d *Driver) logged(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := handler(ctx, request)
	if err != nil {
		d.Log("%s: %v", filepath.Base(info.FullMethod), err)
	}
	return answer, err
}

// GetInfo answers the kubelet's question who is behind the registration socket.
func (d *Driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: DriverName, Endpoint: serviceSocket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus ends the driver when the kubelet refuses it; its log says why.
func (d *Driver) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		d.Log("the kubelet refuses the driver: %s", status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// GetPluginInfo is part of the identity that CSI asks of every driver.
func (d *Driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: DriverName, VendorVersion: "1"}, nil
}

// GetPluginCapabilities says that there is no controller service behind this socket.
func (d *Driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// Probe says that the driver works.
func (d *Driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// NodeGetInfo names the node.
func (d *Driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.Node}, nil
}

// NodeGetCapabilities lists what the kubelet may ask for.
func (d *Driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	var answer csi.NodeGetCapabilitiesResponse
	for _, c := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
	} {
		answer.Capabilities = append(answer.Capabilities, &csi.NodeServiceCapability{
			Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: c}}})
	}
	return &answer, nil
}
