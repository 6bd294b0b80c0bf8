package apiclient

// State is an instance's state as the API names it. New names may appear: a
// State that is none of the constants is legal and means "busy with something
// this version does not know".
type State string

// The states known today. A start leads STOPPED → STARTING or BOOTING →
// RUNNING: the reference says STARTING, the SDK and the CLI say BOOTING.
const (
	StateStopped      State = "STOPPED"
	StateStarting     State = "STARTING"
	StateBooting      State = "BOOTING"
	StateRunning      State = "RUNNING"
	StateStopping     State = "STOPPING"
	StateDeploying    State = "DEPLOYING"
	StateRebuilding   State = "REBUILDING"
	StateReboot       State = "REBOOT"
	StateImaging      State = "IMAGING"
	StateResizing     State = "RESIZING"
	StateReleasing    State = "RELEASING"
	StateRecycle      State = "RECYCLE"
	StateRecycling    State = "RECYCLING"
	StateCreateFailed State = "CREATE_FAILED"
	// StatePending, StateRecycled and StateReinstallFailed are names that the
	// SDK and the CLI know and the reference does not.
	StatePending         State = "PENDING"
	StateRecycled        State = "RECYCLED"
	StateReinstallFailed State = "REINSTALL_FAILED"
)
