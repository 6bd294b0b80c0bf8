// Package credentials finds the credentials for the ZEC API.
//
// It checks the sources in the fixed order below. The first source that is present is used alone:
// sources are never mixed. A source that is present but broken (half a pair, a file that other
// users can read, JSON that does not parse) is an error. Falling through to the next source would
// act as a different account than the operator asked for.
//
// The order:
//
//  1. the file of --credentials-file
//  2. $CREDENTIALS_DIRECTORY/zenlayer, where systemd puts LoadCredential=zenlayer:FILE
//  3. ZENLAYER_TOKEN; it comes before a key pair that is set beside it
//  4. ZENLAYER_ACCESS_KEY_ID with ZENLAYER_ACCESS_KEY_SECRET
//  5. ZENLAYERCLOUD_ACCESS_KEY_ID with ZENLAYERCLOUD_ACCESS_KEY_PASSWORD, the names of Zenlayer's
//     other tools
//  6. ~/.zenlayer/credentials.json, which zeno writes
//
// No error contains anything that was read from a file or a variable. Errors contain only names,
// paths, modes and positions.
//
// A source that is a file may be read again while the process runs, as after a rotation. That reads
// the same source and never another.
//
// The package keeps no state and never writes. Find and Source.Read are safe for concurrent use as
// long as Options.Getenv is.
package credentials
