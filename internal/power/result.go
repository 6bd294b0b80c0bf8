package power

// Result sums a run up.
type Result string

// The results.
const (
	// ResultOK: no instance failed.
	ResultOK Result = "ok"
	// ResultPartial: some failed, some did not.
	ResultPartial Result = "partial"
	// ResultFailed: every instance failed, or a group could not be read and nothing else was done.
	ResultFailed Result = "failed"
)
