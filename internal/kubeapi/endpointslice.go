package kubeapi

import (
	"context"
	"fmt"
	"net/url"
)

// EndpointSlice of the group discovery.k8s.io. Its address type cannot change after its creation.
type EndpointSlice struct {
	Meta
	// AddressType is IPv4 or IPv6.
	AddressType string
	Endpoints   []Endpoint
	Ports       []Port

	rest document
}

// Endpoint is one address that serves.
type Endpoint struct {
	Addresses  []string   `json:"addresses"`
	Conditions Conditions `json:"conditions"`
	// NodeName lets a Service with the external traffic policy Local find the endpoints of its node.
	NodeName  string     `json:"nodeName,omitempty"`
	TargetRef *TargetRef `json:"targetRef,omitempty"`
}

// Conditions of an endpoint.
type Conditions struct {
	Ready bool `json:"ready"`
}

// TargetRef names the pod behind an endpoint.
type TargetRef struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// Port of all endpoints of a slice.
type Port struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
}

// EndpointSlices of one namespace.
type EndpointSlices struct {
	client    *Client
	namespace string
}

// EndpointSlices of this namespace.
func (c *Client) EndpointSlices(namespace string) EndpointSlices {
	return EndpointSlices{client: c, namespace: namespace}
}

func (s EndpointSlices) path(name string) string {
	return "/apis/discovery.k8s.io/v1/namespaces/" + url.PathEscape(s.namespace) + "/endpointslices/" + url.PathEscape(name)
}

// Get reads the slice.
func (s EndpointSlices) Get(ctx context.Context, name string) (EndpointSlice, error) {
	doc, err := s.client.get(ctx, s.path(name))
	if err != nil {
		return EndpointSlice{}, fmt.Errorf("reading EndpointSlice %s: %w", name, err)
	}
	return sliceOf(doc)
}

// Update replaces the slice, if nobody else did since it was read, and returns it as it is now.
func (s EndpointSlices) Update(ctx context.Context, slice EndpointSlice) (EndpointSlice, error) {
	doc := slice.rest.copied()
	if err := writeMeta(doc, slice.Meta); err != nil {
		return EndpointSlice{}, err
	}
	if slice.Endpoints == nil {
		slice.Endpoints = []Endpoint{} // the API refuses null
	}
	if err := doc.write("endpoints", slice.Endpoints); err != nil {
		return EndpointSlice{}, err
	}
	if err := doc.write("ports", slice.Ports); err != nil {
		return EndpointSlice{}, err
	}
	doc, err := s.client.put(ctx, s.path(slice.Name), doc)
	if err != nil {
		return EndpointSlice{}, fmt.Errorf("updating EndpointSlice %s: %w", slice.Name, err)
	}
	return sliceOf(doc)
}

func sliceOf(doc document) (EndpointSlice, error) {
	slice := EndpointSlice{rest: doc}
	meta, err := readMeta(doc)
	if err != nil {
		return slice, err
	}
	slice.Meta = meta
	for key, target := range map[string]any{
		"addressType": &slice.AddressType, "endpoints": &slice.Endpoints, "ports": &slice.Ports,
	} {
		if err := doc.read(key, target); err != nil {
			return slice, err
		}
	}
	return slice, nil
}
