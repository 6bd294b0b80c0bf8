package power

// Action is what a run does to its instances.
type Action string

// The actions.
const (
	ActionStart Action = "start"
	ActionStop  Action = "stop"
)
