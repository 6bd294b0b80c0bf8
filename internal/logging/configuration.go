package logging

import "go.uber.org/zap"

// Changes says what a reload changed, by names of schedules.
type Changes struct {
	Added, Removed []string
	// Moved run at other times than before; Changed differ in anything else.
	Moved, Changed []string
}

// ConfigurationReloaded logs that the configuration at path is in use.
func (e *Events) ConfigurationReloaded(path string, c Changes) {
	e.logger.Info(EventConfigurationReloaded, zap.String("config", path),
		zap.Strings("schedules_added", c.Added), zap.Strings("schedules_removed", c.Removed),
		zap.Strings("schedules_moved", c.Moved), zap.Strings("schedules_changed", c.Changed))
}

// ConfigurationRejected logs that the configuration at path was refused and the
// one in use stays. err holds every mistake at once.
func (e *Events) ConfigurationRejected(path string, err error) {
	e.logger.Error(EventConfigurationRejected, zap.String("config", path), zap.String(keyError, errorText(err)))
}

// GroupUnreadable logs that the configuration in use has a group whose members cannot be read: it
// fails at each run, the others go on. err has the file, the lines and the remedy.
func (e *Events) GroupUnreadable(group string, err error) {
	e.logger.Error(EventGroupUnreadable, zap.String(keyGroup, group), zap.String(keyError, errorText(err)))
}

// CredentialsReplaced logs that runs which begin now use other credentials, which source has.
func (e *Events) CredentialsReplaced(source string) {
	e.logger.Info(EventCredentialsReplaced, zap.String("source", source))
}
