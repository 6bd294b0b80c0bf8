package members

import "zecpower/apiclient"

// gone reports whether an instance in a state is never a member by selector: it is on its way out of
// the account, or was never in it. One in any other state, known or not, may be.
func gone(s apiclient.State) bool {
	switch s {
	case apiclient.StateReleasing, apiclient.StateRecycle, apiclient.StateRecycling, apiclient.StateRecycled,
		apiclient.StateCreateFailed, apiclient.StateReinstallFailed:
		return true
	}
	return false
}
