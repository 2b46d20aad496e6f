// Package wheel is how controllers learn what the Platform says of who steers what, and of when something goes into quarantine. It decides
// nothing: that is in internal/reconcile/management and internal/reconcile/quarantine.
package wheel
