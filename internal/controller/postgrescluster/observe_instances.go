package postgrescluster

import (
	"context"
	"net/http"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// observeInstances asks the one that leads for all of them.
func (r *Reconciler) observeInstances(ctx context.Context, s *scope) {
	var dial contact.Dial
	authority, err := authorityState(s, naming.PeerCA(s.cluster.Name))
	if err == nil {
		dial, err = r.Connections.Of(client.ObjectKeyFromObject(s.cluster), authority, s.now)
	}
	s.observed.instances = contact.Ask(ctx, s.observed.pods, s.observed.record.Holder, dial, err)
}

// unlessBusy turns the answer of an instance that cannot do it just now (409) into something to wait for; what it is doing
// shows in its own status alone.
func unlessBusy(err error) error {
	if refused, ok := instanceapi.Refused(err); ok && refused.Code == http.StatusConflict {
		return reconcile.Wait(soon, v1alpha1.ReasonConfiguring, "%s", refused.Answer.Message)
	}
	return err
}

// forget what is kept in memory of a cluster that is gone.
func (r *Reconciler) forget(key types.NamespacedName) {
	known, _ := r.known.LoadAndDelete(key)
	if uid, ok := known.(types.UID); ok {
		r.Keeper.Forget(uid)
		r.memory.Forget(uid)
		r.Held.Set(uid, nil)
	}
	r.Connections.Forget(key)
	r.granted.forget(key)
	r.written.forget(key)
	r.Metrics.forget(key)
}
