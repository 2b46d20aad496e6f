package loadbalancer

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func TestTheFirstFreeAddressIsTaken(t *testing.T) {
	if got := firstFree(map[string]bool{"10.90.1.1": true, "10.90.1.3": true}); got != "10.90.1.2" {
		t.Errorf("got %s", got)
	}
}

func TestNoAddressIsLeftInAFullRange(t *testing.T) {
	taken := map[string]bool{}
	for range 254 {
		taken[firstFree(taken)] = true
	}
	if got := firstFree(taken); got != "" || taken[""] {
		t.Errorf("after 254 addresses there is %q", got)
	}
}

func TestServicesWithoutAClassAndWithOursAreServed(t *testing.T) {
	for _, c := range []struct {
		kind  corev1.ServiceType
		class *string
		mine  bool
	}{
		{corev1.ServiceTypeLoadBalancer, nil, true},
		{corev1.ServiceTypeLoadBalancer, ptr.To(Class), true},
		{corev1.ServiceTypeLoadBalancer, ptr.To("example.com/theirs"), false},
		{corev1.ServiceTypeClusterIP, nil, false},
	} {
		s := &corev1.Service{Spec: corev1.ServiceSpec{Type: c.kind, LoadBalancerClass: c.class}}
		if isMine(s) != c.mine {
			t.Errorf("type %s, class %v: %t", c.kind, ptr.Deref(c.class, "none"), !c.mine)
		}
	}
}
