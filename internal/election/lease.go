package election

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Annotations of the Lease.
const (
	prefix = "timonier.io/"

	annotationHolderIncarnation = prefix + "holder-incarnation"
	annotationAddress           = prefix + "address"
	annotationRevision          = prefix + "revision"
	annotationTimeline          = prefix + "timeline"
	annotationSystem            = prefix + "system"
	annotationQuorum            = prefix + "quorum"
	annotationHistory           = prefix + "history"
	annotationPosition          = prefix + "position"
	annotationHandover          = prefix + "handover"
	annotationLastFailover      = prefix + "last-failover"
	annotationChecksum          = prefix + "checksum"
)

// ours are all annotations that belong to a Record, the checksum last.
var ours = []string{
	annotationHolderIncarnation, annotationAddress, annotationRevision, annotationTimeline,
	annotationSystem, annotationQuorum, annotationHistory, annotationPosition,
	annotationHandover, annotationLastFailover, annotationChecksum,
}

// Fields are what a Lease holds of a Record: plain values, so that both the operator's client and the
// instance's narrow one can carry them.
type Fields struct {
	// HolderIdentity "" where nobody leads.
	HolderIdentity string
	// LeaseTransitions is the term.
	LeaseTransitions int64
	// LeaseDurationSeconds and RenewTime are 0 and zero where nobody has led yet; RenewTime counts in microseconds.
	LeaseDurationSeconds int64
	RenewTime            time.Time
	// Annotations: those of a Record, others are ignored and kept.
	Annotations map[string]string
}

// ErrEdited tells that the content is not what its checksum says: somebody edited the Lease by hand. A leader writes
// its own again; where there is no leader the Lease counts as deleted.
var ErrEdited = errors.New("the content of the Lease does not match its checksum: it was edited by hand")

// Encode writes the Record into fields, whose duration and renewal are the caller's, and signs all of it with the checksum.
// The zero Record leaves no annotation of ours.
func Encode(record Record, fields Fields) (Fields, error) {
	annotations := map[string]string{}
	for key, value := range fields.Annotations {
		annotations[key] = value
	}
	for _, key := range ours {
		delete(annotations, key)
	}
	fields.HolderIdentity, fields.LeaseTransitions, fields.Annotations = record.Holder, record.Term, annotations
	if record.empty() {
		return fields, nil
	}
	quorum, err := json.Marshal(record.Quorum)
	if err != nil {
		return Fields{}, fmt.Errorf("encoding the quorum: %w", err)
	}
	history, err := json.Marshal(record.History)
	if err != nil {
		return Fields{}, fmt.Errorf("encoding the history: %w", err)
	}
	lastFailover, err := json.Marshal(record.LastFailover)
	if err != nil {
		return Fields{}, fmt.Errorf("encoding the last failover: %w", err)
	}
	for key, value := range map[string]string{
		annotationHandover:          record.Handover,
		annotationLastFailover:      string(lastFailover),
		annotationHolderIncarnation: record.HolderIncarnation,
		annotationAddress:           record.Address,
		annotationRevision:          strconv.FormatInt(record.Revision, 10),
		annotationTimeline:          strconv.FormatInt(record.Timeline, 10),
		annotationSystem:            record.System,
		annotationQuorum:            string(quorum),
		annotationHistory:           string(history),
		annotationPosition:          record.Position,
	} {
		if value != "" && value != "0" && value != "null" {
			annotations[key] = value
		}
	}
	annotations[annotationChecksum] = checksum(fields)
	return fields, nil
}

// Decode reads the Record of a Lease. One without any annotation of ours and without a holder is the zero Record: made
// empty by the operator. ErrEdited, or an error that tells what cannot be read, means that the content must be ignored.
func Decode(fields Fields) (Record, error) {
	record := Record{
		Holder:            fields.HolderIdentity,
		HolderIncarnation: fields.Annotations[annotationHolderIncarnation],
		Address:           fields.Annotations[annotationAddress],
		Term:              fields.LeaseTransitions,
		System:            fields.Annotations[annotationSystem],
		Position:          fields.Annotations[annotationPosition],
		Handover:          fields.Annotations[annotationHandover],
	}
	if !marked(fields.Annotations) && record.Holder == "" && record.Term == 0 {
		return Record{}, nil
	}
	if record.Holder == "" && record.Term == 0 && onlyMark(fields.Annotations) {
		return Record{System: record.System}, nil
	}
	if fields.Annotations[annotationChecksum] != checksum(fields) {
		return Record{}, ErrEdited
	}
	for key, target := range map[string]any{
		annotationRevision: &record.Revision, annotationTimeline: &record.Timeline,
		annotationQuorum: &record.Quorum, annotationHistory: &record.History, annotationLastFailover: &record.LastFailover,
	} {
		text := fields.Annotations[key]
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), target); err != nil {
			return Record{}, fmt.Errorf("annotation %s of the Lease: %w", key, err)
		}
	}
	return record, nil
}

// marked tells whether any annotation of ours is there.
func marked(annotations map[string]string) bool {
	for _, key := range ours {
		if _, ok := annotations[key]; ok {
			return true
		}
	}
	return false
}

// onlyMark tells that nothing of ours is there but the bootstrap mark, which needs no checksum: the operator writes it when it makes the Lease.
func onlyMark(annotations map[string]string) bool {
	for _, key := range ours {
		if _, ok := annotations[key]; ok && key != annotationSystem {
			return false
		}
	}
	return strings.HasPrefix(annotations[annotationSystem], bootstrapMark)
}

// checksum is over holder, term, duration, renewal and all annotations of ours but itself: each with its length before
// it, so that nothing can be moved from one to the next. It finds accidents, not malice: who may write the Lease can compute it too.
func checksum(fields Fields) string {
	parts := []string{
		fields.HolderIdentity,
		strconv.FormatInt(fields.LeaseTransitions, 10),
		strconv.FormatInt(fields.LeaseDurationSeconds, 10),
		strconv.FormatInt(renewal(fields.RenewTime), 10),
	}
	keys := append([]string(nil), ours[:len(ours)-1]...)
	sort.Strings(keys)
	for _, key := range keys {
		if value, ok := fields.Annotations[key]; ok {
			parts = append(parts, key, value)
		}
	}
	var text strings.Builder
	for _, part := range parts {
		fmt.Fprintf(&text, "%d:%s,", len(part), part)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}

func renewal(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}
