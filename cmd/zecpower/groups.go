package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"zecpower/internal/app"
	"zecpower/internal/config"
	"zecpower/internal/logging"
	"zecpower/internal/store"
	"zecpower/internal/store/bolt"
	"zecpower/internal/strictyaml"
	"zecpower/internal/web"
)

// maxGroupRows is how many instances of a group the table lists on a terminal; elsewhere it lists all.
const maxGroupRows = 200

type groupsFlags struct {
	config string
	output string
	place  localFlags
	accept bool
	yes    bool
	reason string
	access accessFlags
	log    logFlags
}

func newGroupsCommand(h *host) *cobra.Command {
	var f groupsFlags
	cmd := &cobra.Command{
		Use:   "groups --config FILE [GROUP…]",
		Short: "Ask the API who is in each group, and why; accept members that a guard keeps out",
		Long: `Ask the API which instances belong to each group at this moment, and what the
group's guard would say of them. With the names of groups every instance is
listed, with the reason why it is in or out. Nothing is switched.

With --accept-membership the members are shown and, once you say yes, recorded as
the group's accepted list: from then on they are no newcomers, and what is not
among them is.

Where a daemon answers it is asked, and needs no credential of yours. Else, or with
--local, this process asks the API with --config and your own.

Exit status: 0 all groups were listed, 1 some could not be, or you said no,
2 wrong usage, configuration or credentials.`,
		Example: `  zecpower groups --config schedules.yaml
  zecpower groups --config schedules.yaml web
  zecpower groups --config schedules.yaml web --output json | jq -r '.[].instances[] | select(.in) | .instance_id'
  zecpower groups --config schedules.yaml web --accept-membership`,
		RunE: func(cmd *cobra.Command, args []string) error { return h.groups(cmd, f, args) },
	}
	flags := cmd.Flags()
	configFlag(flags, &f.config)
	outputFlag(flags, &f.output)
	f.place.add(cmd)
	flags.BoolVar(&f.accept, "accept-membership", false, "record the members as the groups' accepted lists")
	flags.BoolVar(&f.yes, "yes", false, "with --accept-membership: do not ask")
	reasonFlag(flags, &f.reason)
	f.access.add(flags)
	f.log.add(flags, "warn", "")
	return cmd
}

func (h *host) groups(cmd *cobra.Command, f groupsFlags, names []string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if err := f.checkAcceptance(names); err != nil {
		return err
	}
	daemon, err := h.daemonFor(cmd, f.place, right(f.accept), f.config)
	if err != nil {
		return err
	}
	if daemon != nil {
		return h.groupsThrough(cmd, daemon, f, names)
	}
	cfg, err := h.loadRunnable(f.config, exitUsage, nothingSent)
	if err != nil {
		return err
	}
	detailed := len(names) > 0
	if !detailed {
		names = cfg.GroupNames()
	}
	if names, err = chooseGroups(cfg, names); err != nil {
		return err
	}
	found, err := h.inspect(cmd, cfg, names, f)
	if err != nil {
		return err
	}
	return h.showGroups(found, f, detailed, func(members map[string][]string) error {
		folder := storeFolder(h.daemonPlaces(f.place.stateDir))
		if err := app.AcceptMembers(cmd.Context(), folder, members, f.reason); err != nil {
			return &exit{exitUsage, fmt.Errorf("nothing was accepted: %w", err)}
		}
		fmt.Fprintf(h.stderr, "accepted, in the store in %s\n", folder)
		return nil
	})
}

// groupsThrough asks a daemon.
func (h *host) groupsThrough(cmd *cobra.Command, o *operator, f groupsFlags, names []string) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	var found []*app.Inspected
	if err := o.client.GetJSON(ctx, web.PathGroups, url.Values{"group": names}, &found); err != nil {
		return refusedOrder(err)
	}
	return h.showGroups(found, f, len(names) > 0, func(members map[string][]string) error {
		body, err := o.client.Post(ctx, web.PathAccept, nil, app.AcceptOrder{Members: members, Reason: f.reason, SudoUser: h.getenv("SUDO_USER")})
		if err != nil {
			return refusedOrder(err)
		}
		fmt.Fprintln(h.stderr, "accepted by the daemon")
		return body.Close()
	})
}

// showGroups prints groups, and where that is asked for, lets accept record their members.
func (h *host) showGroups(found []*app.Inspected, f groupsFlags, detailed bool, accept func(map[string][]string) error) error {
	if err := h.printGroups(found, f.output, detailed); err != nil {
		return err
	}
	failed := slices.DeleteFunc(slices.Clone(found), func(g *app.Inspected) bool { return g.Err() == nil })
	switch {
	case len(failed) > 0 && f.accept:
		return &exit{exitFailed, fmt.Errorf("%s could not be listed; nothing was accepted", count(len(failed), "group"))}
	case len(failed) > 0:
		return &exit{status: exitFailed}
	case f.accept:
		return h.acceptMembers(found, f, accept)
	}
	return nil
}

func (f groupsFlags) checkAcceptance(names []string) error {
	switch {
	case f.yes && !f.accept:
		return usageError("--yes goes with --accept-membership")
	case f.reason != "" && !f.accept:
		return usageError("--reason goes with --accept-membership")
	case f.accept && len(names) == 0:
		return usageError("--accept-membership: name the groups whose members you accept")
	case f.accept && !f.yes && !isTerminal(os.Stdin):
		return usageError("--accept-membership asks before it accepts, and standard input is no terminal: give --yes")
	}
	if err := app.CheckReason(f.reason); err != nil {
		return usageError("--reason: %w", err)
	}
	return nil
}

// inspect asks the API about groups. An account whose credential is not found fails its groups alone,
// unless none is found.
func (h *host) inspect(cmd *cobra.Command, cfg *config.Config, names []string, f groupsFlags) ([]*app.Inspected, error) {
	logger, err := logging.New(logging.Config{Level: f.log.level, Format: f.log.format, Output: h.stderr})
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	i := app.Inspection{
		Config: cfg, Groups: names, Access: map[string]app.Access{}, KeyAccepted: map[string]bool{},
		Accepted: h.accepted(f.place.stateDir), Emit: logging.NewEvents(logging.EventsConfig{Logger: logger}).Receive,
	}
	var missing error
	for _, a := range cfg.AccountsOf(names) {
		access, err := f.access.find(h, a)
		if err != nil {
			missing = errors.Join(missing, fmt.Errorf("account %s: %w", a.Name, err))
			continue
		}
		i.Access[a.Name], i.KeyAccepted[a.Name] = access, h.keyAccepted(cmd, app.KeyName(access.Credentials))
	}
	if len(i.Access) == 0 {
		return nil, &exit{exitUsage, missing}
	}
	if missing != nil {
		fmt.Fprintf(h.stderr, "zecpower: %v\n", missing)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	found, err := i.Run(ctx)
	if err != nil {
		return nil, &exit{exitUsage, err}
	}
	return found, nil
}

// accepted returns what reads the accepted list of a group: of the daemon that answers, else from the
// store that one would have.
func (h *host) accepted(stateDir string) func(context.Context, string) (store.Membership, error) {
	places := h.daemonPlaces(stateDir)
	return func(ctx context.Context, group string) (list store.Membership, err error) {
		err = firstDaemon(places, func(p daemonFolders) error {
			return web.ControlClient(p.socket).GetJSON(ctx, web.PathMembers, url.Values{"group": {group}}, &list)
		})
		if !errors.Is(err, web.ErrNoDaemon) {
			return list, err
		}
		return app.AcceptedOnRecord(ctx, storeFolder(places), group)
	}
}

// storeFolder is the state folder that has a store, else the last that may: this user's own.
func storeFolder(places []daemonFolders) string {
	folders := stateFolders(places)
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, bolt.FileName)); err == nil || errors.Is(err, os.ErrPermission) {
			return folder
		}
	}
	return folders[len(folders)-1]
}

// acceptMembers asks, and lets accept record the members.
func (h *host) acceptMembers(found []*app.Inspected, f groupsFlags, accept func(map[string][]string) error) error {
	members, total := map[string][]string{}, 0
	for _, g := range found {
		switch {
		case g.Guard == nil:
			return usageError("group %s has no guard: its ids stand in the configuration, and are accepted as they are", g.Group)
		case g.Members == 0:
			return &exit{exitFailed, fmt.Errorf("group %s has no member; nothing was accepted", g.Group)}
		}
		members[g.Group], total = g.MemberIDs(), total+g.Members
	}
	if !f.yes && !h.confirmed(fmt.Sprintf("accept %s of %s?", count(total, "member"), count(len(members), "group"))) {
		return &exit{exitFailed, errors.New("nothing was accepted")}
	}
	return accept(members)
}

// confirmed asks a person; anything but yes is no.
func (h *host) confirmed(question string) bool {
	fmt.Fprintf(h.stderr, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

func (h *host) printGroups(found []*app.Inspected, output string, detailed bool) error {
	if output == outputJSON {
		return printJSON(h.stdout, found)
	}
	if !detailed {
		return printGroupSums(h.stdout, found)
	}
	for k, g := range found {
		if k > 0 {
			fmt.Fprintln(h.stdout)
		}
		if err := printGroup(h.stdout, g); err != nil {
			return err
		}
	}
	return nil
}

// printGroupSums prints a line a group.
func printGroupSums(w io.Writer, found []*app.Inspected) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "GROUP\tACCOUNT\tMEMBERS\tNEW\tKEPT OUT\tREMARK")
	for _, g := range found {
		fresh, kept := "-", "-"
		if g.Guard != nil {
			fresh, kept = fmt.Sprint(g.Guard.Newcomers), fmt.Sprint(g.Guard.Guarded)
		}
		members := fmt.Sprint(g.Members)
		if g.Err() != nil {
			members = "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", g.Group, g.Account, members, fresh, kept, dash(remark(g)))
	}
	return tw.Flush()
}

// remark is what a person should know of a group.
func remark(g *app.Inspected) string {
	switch {
	case g.Err() != nil:
		return strings.ReplaceAll(g.Error, "\n", "; ")
	case g.Guard != nil && g.Guard.Why != "":
		return g.Guard.Why
	case len(g.Unknown) > 0:
		return "not known to the API: " + strictyaml.Some(g.Unknown)
	case g.Members == 0:
		return "no instance is a member"
	}
	return ""
}

// printGroup prints the instances of a group.
func printGroup(w io.Writer, g *app.Inspected) error {
	if g.Err() != nil {
		_, err := fmt.Fprintf(w, "%s (account %s): %s\n", g.Group, g.Account, g.Error)
		return err
	}
	fmt.Fprintf(w, "%s (account %s): %s, %d out\n", g.Group, g.Account, count(g.Members, "member"), len(g.Instances)-g.Members)
	if g.Guard != nil {
		fmt.Fprintln(w, guardWords(g.Guard))
	}
	if len(g.Instances) == 0 {
		_, err := fmt.Fprintln(w, "no instance is a member")
		return err
	}
	shown := g.Instances
	if isTerminal(w) {
		shown = shown[:min(len(shown), maxGroupRows)]
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nMEMBER\tINSTANCE\tNAME\tZONE\tSTATE\tWHY")
	for _, in := range shown {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", memberWord(in), in.InstanceID, dash(in.Name), dash(in.Zone), dash(in.State), in.Why)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	if left := len(g.Instances) - len(shown); left > 0 {
		fmt.Fprintf(w, "… and %d more: --output json lists them all\n", left)
	}
	return nil
}

func memberWord(in app.InspectedInstance) string {
	switch {
	case in.In && in.New:
		return "new"
	case in.In:
		return "yes"
	}
	return "no"
}

// guardWords say what a guard makes of a group.
func guardWords(g *app.InspectedGuard) string {
	var words string
	switch {
	case g.AcceptedAt.IsZero() && g.Guarded > 0:
		return fmt.Sprintf("guard: THE GROUP IS REFUSED: %s", g.Why)
	case g.AcceptedAt.IsZero():
		return "guard: no members were accepted before; the next run accepts these"
	case g.Guarded > 0:
		words = fmt.Sprintf("guard: %s KEPT OUT: %s", count(g.Guarded, "newcomer"), g.Why)
	case g.Newcomers > 0:
		words = fmt.Sprintf("guard: %s, let in", count(g.Newcomers, "newcomer"))
	default:
		words = "guard: no newcomers"
	}
	words += fmt.Sprintf("; %d accepted at %s", g.Accepted, moment(g.AcceptedAt, time.Now(), ""))
	if g.AcceptedBy != "" {
		words += ", last by hand by " + g.AcceptedBy
	}
	if len(g.Left) > 0 {
		words += "; " + count(len(g.Left), "member") + " left: " + strictyaml.Some(g.Left)
	}
	return words
}
