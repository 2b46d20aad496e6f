package postgres

// CheckHBA tells which of spec.hba's lines are refused, in their order; nil when all is well.
//
// A line must be a hostssl or hostgssenc… rule of pg_hba.conf whose method does not
// weaken what Timonier promises; see hbaMethods for what is admitted.
func CheckHBA(lines []string) []Problem { return nil }

// HBAInput is all that pg_hba.conf depends on.
type HBAInput struct {
	// Open: clients are admitted. Closed, only the instance's own socket and replication,
	// cloning and rewinding by the cluster's instances are.
	Open bool
	// Lines of the user, that CheckHBA had nothing to say about.
	Lines []string
	// OSUser is the name that the instance's own UID has in its passwd file; empty means postgres.
	OSUser string
}

// RenderHBA is the content of pg_hba.conf.
func RenderHBA(in HBAInput) string { return "" }

// RenderIdent is the content of pg_ident.conf, which RenderHBA refers to.
func RenderIdent(in HBAInput) string { return "" }
