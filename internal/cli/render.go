package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// Render writes what a person on call needs to know: first what is not well, then who leads and how that came about, then
// each instance, and at last the next step.
func (o *Overview) Render(out io.Writer) error {
	var text strings.Builder
	o.heading(&text)
	o.conditions(&text)
	o.leadership(&text)
	o.operation(&text)
	o.instances(&text)
	fmt.Fprintf(&text, "\nNext: %s\n", o.next())
	_, err := io.WriteString(out, text.String())
	return err
}

func (o *Overview) heading(text *strings.Builder) {
	cluster := &o.Cluster
	team := ""
	if cluster.Spec.Team != "" {
		team = ", team " + cluster.Spec.Team
	}
	fmt.Fprintf(text, "%s/%s: PostgreSQL %s, %s instances ready%s\n", cluster.Namespace, cluster.Name, cluster.Spec.Version, orDash(cluster.Status.Summary.Instances), team)
	if cluster.Status.ObservedGeneration != cluster.Generation {
		text.WriteString("The operator has not looked at the latest change of the spec yet: what follows is from before.\n")
	}
}

func (o *Overview) conditions(text *strings.Builder) {
	marks := map[standing]string{standsBad: "!!", standsUnderWay: "..", standsWell: "ok"}
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	text.WriteString("\n")
	told := map[string]bool{}
	for _, condition := range sorted(o.Cluster.Status.Conditions) {
		// Ready repeats what stands in its way.
		if told[condition.Reason+condition.Message] {
			continue
		}
		told[condition.Reason+condition.Message] = true
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", marks[standingOf(condition)], condition.Type, condition.Reason, o.since(condition.LastTransitionTime.Time), condition.Message)
	}
	_ = table.Flush() // into memory
}

func (o *Overview) leadership(text *strings.Builder) {
	status := o.Cluster.Status
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	defer func() { _ = table.Flush() }() // into memory
	text.WriteString("\n")
	availability := status.Availability
	if availability == nil || availability.Term == 0 {
		fmt.Fprintf(table, "Primary\t%s\n", orDash(status.Primary))
		return
	}
	primary := status.Primary
	if primary == "" {
		primary = "nobody takes writes; " + holder(availability.Holder)
	}
	last := availability.LastFailover
	began := ""
	switch {
	case last != nil:
		began = ", for " + o.since(opened(last))
	case availability.Term == 1:
		began = ", since the cluster was made"
	}
	fmt.Fprintf(table, "Primary\t%s, in term %d%s\n", primary, availability.Term, began)
	if last != nil {
		fmt.Fprintf(table, "Failover\t%s ago, from %s to %s: %s; %s\n", o.since(last.At.Time), orDash(last.From), last.To, last.Cause, length(last))
	}
	fmt.Fprintf(table, "Commits\t%s\n", commits(availability))
	if overrides := availability.SynchronousCommitOverrides; overrides != nil {
		fmt.Fprintf(table, "Unprotected\t%s\n", unprotected(overrides))
	}
}

func holder(name string) string {
	if name == "" {
		return "the Lease is free"
	}
	return name + " holds the Lease"
}

// opened is when the primary let clients in, or the failover began where it has not.
func opened(last *v1alpha1.FailoverStatus) time.Time {
	if last.DurationMilliseconds == nil {
		return last.At.Time
	}
	return last.At.Add(time.Duration(*last.DurationMilliseconds) * time.Millisecond)
}

func length(last *v1alpha1.FailoverStatus) string {
	if last.DurationMilliseconds == nil {
		return "clients are not let in yet"
	}
	return fmt.Sprintf("clients were let in after %.1f s", float64(*last.DurationMilliseconds)/1000)
}

func commits(availability *v1alpha1.AvailabilityStatus) string {
	quorum := availability.Quorum
	if quorum == nil {
		return "-"
	}
	members := strings.Join(quorum.Members, ", ")
	if quorum.Mode != v1alpha1.ModeQuorum || quorum.Required <= 1 {
		return fmt.Sprintf("wait for no standby (%s); members %s", quorum.Mode, members)
	}
	return fmt.Sprintf("are on %d of %d members (%s, %s): %s", quorum.Required, len(quorum.Members), quorum.Mode, availability.Effective.Durability, members)
}

// unprotected are the commits that wait for no standby since synchronous_commit is lowered for them.
func unprotected(overrides *v1alpha1.SynchronousCommitOverrides) string {
	const shown = 4
	var of []string
	for _, one := range overrides.Listed[:min(len(overrides.Listed), shown)] {
		whose := "all roles"
		switch {
		case one.Role != "" && one.Database != "":
			whose = "role " + one.Role + " in database " + one.Database
		case one.Role != "":
			whose = "role " + one.Role
		case one.Database != "":
			whose = "database " + one.Database
		}
		of = append(of, whose+" ("+one.Value+")")
	}
	if more := int(overrides.Total) - len(of); more > 0 {
		of = append(of, fmt.Sprintf("%d more", more))
	}
	return "synchronous_commit is lowered for " + strings.Join(of, ", ") + ": a failover may lose their commits"
}

// operation that runs, or the last one that ended not long ago.
func (o *Overview) operation(text *strings.Builder) {
	const recent = time.Hour
	at := slices.IndexFunc(o.Operations, func(p v1alpha1.PostgresOperation) bool { return p.Status.FinishedAt == nil })
	if at < 0 && len(o.Operations) > 0 && o.Now.Sub(o.Operations[0].Status.FinishedAt.Time) < recent {
		at = 0
	}
	if at < 0 {
		return
	}
	operation := o.Operations[at]
	fmt.Fprintf(text, "\nOperation %s (%s), asked for %s ago: %s", operation.Name, operation.Spec.Type, o.since(operation.CreationTimestamp.Time), orElse(operation.Status.Summary.State, "not begun"))
	if operation.Status.Summary.Message != "" {
		fmt.Fprintf(text, ": %s", operation.Status.Summary.Message)
	}
	text.WriteString("\n")
}

func (o *Overview) instances(text *strings.Builder) {
	text.WriteString("\n")
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "INSTANCE\tROLE\tSTATE\tREADY\tMEMBER\tLAG\tRESTARTS\tAGE\tNODE")
	var members []string
	if availability := o.Cluster.Status.Availability; availability != nil && availability.Quorum != nil {
		members = availability.Quorum.Members
	}
	for i := range o.Cluster.Status.Instances {
		instance := &o.Cluster.Status.Instances[i]
		age := "-"
		if instance.CreatedAt != nil {
			age = o.since(instance.CreatedAt.Time)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", instance.Name, instance.Role, instance.State, yes(instance.Ready),
			yes(slices.Contains(members, instance.Name)), lag(instance), instance.Restarts, age, orDash(instance.Node))
	}
	_ = table.Flush() // into memory
	for i := range o.Cluster.Status.Instances {
		instance := &o.Cluster.Status.Instances[i]
		if instance.Message != "" {
			fmt.Fprintf(text, "  %s: %s\n", instance.Name, instance.Message)
		}
		if len(instance.PendingRestart) > 0 {
			fmt.Fprintf(text, "  %s: waits for a restart: %s\n", instance.Name, strings.Join(instance.PendingRestart, ", "))
		}
	}
}

// lag as far as the status knows it: it is written when it has doubled or halved, beyond what is usual.
func lag(instance *v1alpha1.InstanceStatus) string {
	switch {
	case instance.LagBytes == nil:
		return "-"
	case *instance.LagBytes < 2*v1alpha1.UsualLagBytes:
		return fmt.Sprintf("<%d MB", 2*max(*instance.LagBytes, v1alpha1.UsualLagBytes)>>20)
	}
	return fmt.Sprintf("~%d MB", *instance.LagBytes>>20)
}

// next step for a person.
func (o *Overview) next() string {
	conditions := sorted(o.Cluster.Status.Conditions)
	for _, condition := range conditions {
		if page := runbook(condition); page != "" && standingOf(condition) == standsBad {
			return "read " + page
		}
	}
	describe := fmt.Sprintf("kubectl -n %s describe pgc %s", o.Cluster.Namespace, o.Cluster.Name)
	switch {
	case len(conditions) == 0:
		return "see whether the operator runs: docs/runbooks/operator-down.md"
	case !o.Well():
		return describe
	case steering(conditions) != "":
		return steering(conditions)
	case slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return standingOf(c) == standsUnderWay }):
		return "wait; it works towards the spec. If it lasts: " + describe
	}
	return "nothing to do"
}

// steering is the next step where the cluster is left alone or taken away: nobody but a person takes it. "" where Timonier steers.
func steering(conditions []metav1.Condition) string {
	const page = "docs/how-to/management-state.md"
	if pending := meta.FindStatusCondition(conditions, v1alpha1.ConditionRemovePending); pending != nil && pending.Reason == v1alpha1.ReasonConfirmationMissing {
		return "confirm that it is to be taken away, or set it to Managed again: " + page
	}
	managed := meta.FindStatusCondition(conditions, v1alpha1.ConditionManaged)
	switch {
	case managed == nil || managed.Status != metav1.ConditionFalse || managed.Reason == v1alpha1.ReasonRemoving:
		return ""
	case runbook(*managed) != "":
		return "read " + runbook(*managed)
	case managed.Reason == v1alpha1.ReasonRemoved:
		return "set it to Managed to have it back: " + page
	}
	return "hand it back once whoever took the wheel is done: " + page
}

func (o *Overview) since(t time.Time) string { return duration.HumanDuration(o.Now.Sub(t)) }

func orDash(text string) string { return orElse(text, "-") }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}
