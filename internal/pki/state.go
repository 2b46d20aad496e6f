package pki

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// State is an authority with its successor and predecessor: the content of one Secret. The zero State is one that was never made.
type State struct {
	// Current signs leaves. Without a key (it was lost), what it signed stays trusted and nothing new is signed.
	Current Authority
	// Next is to become current; it is published, and signs nothing yet.
	Next Authority
	// Previous is trusted until nothing it signed is in use.
	Previous Authority
	Times    Times
}

// Times of the steps of a rotation; the zero time where a step was not taken.
type Times struct {
	// PublishedAt: Next was first seen in every published bundle.
	PublishedAt time.Time `json:"publishedAt,omitzero"`
	// SwitchedAt: Current took over.
	SwitchedAt time.Time `json:"switchedAt,omitzero"`
	// ReissuedAt: all published leaves were first seen to be Current's.
	ReissuedAt time.Time `json:"reissuedAt,omitzero"`
}

// Bundle is what is to be trusted: current first, then its successor and predecessor.
func (s State) Bundle() []*x509.Certificate {
	var out []*x509.Certificate
	for _, authority := range []Authority{s.Current, s.Next, s.Previous} {
		if authority.Exists() {
			out = append(out, authority.Certificate)
		}
	}
	return out
}

// BundlePEM is the Bundle as it is published.
func (s State) BundlePEM() []byte { return EncodeCertificates(s.Bundle()...) }

// Keys of an authority's Secret.
const (
	keyCurrent  = "ca"
	keyNext     = "next"
	keyPrevious = "previous"
	keyTimes    = "rotation.json"
)

// AuthorityData is the data of the Secret that keeps a State. The predecessor's key is not kept: it signs nothing any more.
func AuthorityData(state State) (map[string][]byte, error) {
	data := map[string][]byte{}
	for name, authority := range map[string]Authority{keyCurrent: state.Current, keyNext: state.Next} {
		if err := putPair(data, name, authority.Certificate, authority.Key); err != nil {
			return nil, err
		}
	}
	if state.Previous.Exists() {
		data[keyPrevious+".crt"] = EncodeCertificates(state.Previous.Certificate)
	}
	times, err := json.Marshal(state.Times)
	if err != nil {
		return nil, fmt.Errorf("encoding the times of a rotation: %w", err)
	}
	data[keyTimes] = times
	return data, nil
}

// ParseAuthorityData reads what AuthorityData wrote. What is damaged is left out of the State, and told by
// the error; the State can be used in any case, and Plan repairs it. No data is the zero State, without error.
func ParseAuthorityData(data map[string][]byte) (State, error) {
	var state State
	var problems []error
	if len(data) == 0 {
		return state, nil
	}
	read := func(name string, into *Authority, withKey bool) {
		if data[name+".crt"] == nil {
			return
		}
		authority, err := ParseAuthority(data[name+".crt"], data[name+".key"])
		if err != nil && (withKey || !authority.Exists()) {
			problems = append(problems, fmt.Errorf("%s.crt and %s.key: %w", name, name, err))
		}
		*into = authority
	}
	read(keyCurrent, &state.Current, true)
	read(keyNext, &state.Next, true)
	read(keyPrevious, &state.Previous, false)
	state.Previous.Key = nil
	if !state.Current.Exists() {
		problems = append(problems, errors.New("ca.crt is missing"))
	}
	if text, ok := data[keyTimes]; ok {
		if err := json.Unmarshal(text, &state.Times); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", keyTimes, err))
			// Forgotten times only make a rotation take longer.
			state.Times = Times{}
		}
	}
	return state, errors.Join(problems...)
}
