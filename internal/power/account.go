package power

// DefaultAccount is the account of a group that names none. Its values are those of `api` in the
// configuration, and its credential is found as usual.
const DefaultAccount = "default"
