package postgresoperation

import (
	"context"
	"net/http"
	"time"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// askWithin bounds a request. What it asks for is begun, not done, when it is answered.
const askWithin = 5 * time.Second

// ask an instance what the step says, and say what follows from its answer.
func ask(ctx context.Context, f facts, asked step) step {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	found := f.instances[asked.instance]
	f.status = asked.status
	var err error
	switch asked.verb {
	case verbSwitchover:
		_, err = found.Client.Switchover(ctx, instanceapi.SwitchoverRequest{To: asked.to})
	case verbRestart:
		_, err = found.Client.Restart(ctx, instanceapi.RestartRequest{Revision: found.Status.ConfigurationRevision})
	case verbReinitialize:
		_, err = found.Client.Reinitialize(ctx)
	case verbPromote:
		var reply instanceapi.ForcePromotionReply
		reply, err = found.Client.ForcePromotion(ctx, instanceapi.ForcePromotionRequest{AcceptDataLoss: true})
		if err == nil {
			f.status.Promotion = &v1alpha1.ForcedPromotion{Position: reply.Position, Term: reply.Term,
				LeaderPosition: reply.LeaderPosition, LeaderTerm: reply.LeaderTerm}
		}
	case verbRefuse, verbPostpone, verbAccept, verbSucceed, verbFail, verbWait, verbRemember:
		return asked // they ask nobody
	}
	return answered(f, asked, err)
}

// answered says what follows from an answer: the request was taken, or is made again, or the operation has failed.
func answered(f facts, asked step, err error) step {
	if err == nil {
		f.status.RequestedAt = at(f.now)
		return f.wait("%s has begun", asked.instance)
	}
	refused, isRefusal := instanceapi.Refused(err)
	switch {
	case instanceapi.Unknown(err):
		return notSupported(f, asked)
	case !isRefusal:
		// Whether it arrived is not known. What it does shows, and tells whether it is to be asked again.
		return f.wait("%s is asked again: %v", asked.instance, err)
	case refused.Code != http.StatusConflict || passes(f, refused.Answer.Reason):
		return f.wait("%s is asked again: %s", asked.instance, refused.Answer.Message)
	}
	return f.fail(failure(refused.Answer.Reason), "%s refuses: %s", asked.instance, refused.Answer.Message)
}

// notSupported by an instance manager that is older than this operator, and is about to be replaced by the operator's. A
// restart does without.
func notSupported(f facts, asked step) step {
	if f.spec.Type == v1alpha1.OperationRestart && asked.verb == verbSwitchover {
		for i := range f.status.Instances {
			if item := &f.status.Instances[i]; item.Name == asked.instance {
				return f.enter(item, v1alpha1.OperationInstanceRestarting)
			}
		}
	}
	return f.fail(v1alpha1.ReasonNotSupported, "the instance manager of %s does not know how to do this; it is older than the operator, which replaces it by itself: ask again later", asked.instance)
}

// passes tells whether a refusal is for what an instance does just now. The turn of an instance in a restart waits for all of them.
func passes(f facts, reason string) bool {
	switch reason {
	case "Busy", "NotLeader":
		return true
	}
	return f.spec.Type == v1alpha1.OperationRestart
}

// failure is the condition's reason for an instance's refusal.
func failure(reason string) string {
	switch reason {
	case v1alpha1.ReasonNotMember, v1alpha1.ReasonLagging, v1alpha1.ReasonNobodyEligible, v1alpha1.ReasonNotStandby,
		v1alpha1.ReasonNotSafe, v1alpha1.ReasonLeaderReachable, v1alpha1.ReasonVotesEnough:
		return reason
	case "AlreadyLeader":
		return v1alpha1.ReasonAlreadyPrimary
	}
	return v1alpha1.ReasonRefused
}
