package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/app"
	"zecpower/internal/zecsim"
)

// keyed is a world whose API knows two access keys, old and new, counts the requests of each, and
// can delete the old one.
type keyed struct {
	*world
	old, new atomic.Int64
	deleted  atomic.Bool
}

func newKeyed(t *testing.T, o zecsim.Options) *keyed {
	t.Helper()
	for _, id := range []string{"old", "new"} {
		o.Credentials = append(o.Credentials, apiclient.Credentials{AccessKeyID: id, AccessKeySecret: apiclient.NewSecret(plantedSecret)})
	}
	k := &keyed{world: newWorld(t, o)}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "Credential=new,") {
			k.new.Add(1)
		} else {
			k.old.Add(1)
			if k.deleted.Load() {
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential=old", "Credential=deleted", 1))
			}
		}
		k.serve(rw, r)
	}))
	t.Cleanup(server.Close)
	k.endpoint = server.URL
	k.write("key", "old:"+plantedSecret)
	return k
}

// rises waits until a count of requests is higher than it is.
func rises(t *testing.T, count *atomic.Int64) {
	t.Helper()
	before := count.Load()
	if err := eventually(func() error {
		if count.Load() == before {
			return fmt.Errorf("still %d requests", before)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestARotatedKeyIsPickedUpByAReload(t *testing.T) {
	t.Parallel()
	w := newKeyed(t, healthyFleet(3))
	w.configure("groups: {web: {instances: [i-000000, i-000001]}}\nschedules: {beat: {cron: \"@every 1s\", action: start, groups: [web]}}\n")
	d := w.daemon("--credentials-file", w.path("key")).ready()
	source := "--credentials-file " + w.path("key")
	rises(t, &w.old)
	status := func() (s app.Status) {
		w.runJSON(&s, "status", "--state-dir", w.state())
		return s
	}
	oldName, newName := app.KeyName(apiclient.Credentials{AccessKeyID: "old"}), app.KeyName(apiclient.Credentials{AccessKeyID: "new"})

	t.Run("a reload without a new key changes nothing", func(t *testing.T) {
		d.signal(syscall.SIGHUP)
		d.await("configuration reloaded", 1)
		rises(t, &w.old)
		if got := status().AcceptedKeys; !slices.Equal(got, []string{oldName}) {
			t.Errorf("accepted key %q, want the old one's name", got)
		}
	})
	t.Run("a file that is broken, open or gone is refused", func(t *testing.T) {
		for i, c := range []struct {
			spoil func() error
			want  string
		}{
			{func() error { w.write("key", "new"+plantedSecret); return nil }, "neither JSON nor KEYID:SECRET"},
			{func() error { w.write("key", `"new:`+plantedSecret+`"`); return nil }, "quotes around it"},
			{func() error { w.write("key", "new:"+plantedSecret); return os.Chmod(w.path("key"), 0o644) }, "has mode 0644"},
			{func() error { return os.Remove(w.path("key")) }, "there is no such file"},
		} {
			if err := c.spoil(); err != nil {
				t.Fatal(err)
			}
			d.signal(syscall.SIGHUP)
			text := d.await("configuration rejected", i+1).text("error")
			if !strings.HasPrefix(text, "credentials: "+source+": ") || !strings.Contains(text, c.want) || !strings.HasSuffix(text, "; the key from before stays in use") {
				t.Errorf("got %s, want the source and %q", text, c.want)
			}
			d.awaitMetric("zecpower_config_last_reload_successful", "", "0")
			rises(t, &w.old)
		}
		if n := w.new.Load(); n > 0 {
			t.Errorf("%d requests with a key that was refused", n)
		}
	})
	t.Run("a good one is used by the runs that follow", func(t *testing.T) {
		w.write("key", `{"default": {"access_key_id": "new", "access_key_secret": "`+plantedSecret+`"}}`)
		d.signal(syscall.SIGHUP)
		if e := d.await("credentials replaced", 1); e.text("source") != source {
			t.Errorf("%v, want the source %s", e, source)
		}
		d.awaitMetric("zecpower_config_last_reload_successful", "", "1")
		w.deleted.Store(true)
		rises(t, &w.new)
		if err := eventually(func() error {
			if got := status().AcceptedKeys; !slices.Equal(got, []string{newName}) {
				return fmt.Errorf("accepted key %q, want the new one's name", got)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		old, n := w.old.Load(), len(d.events("run finished"))
		for i := range 2 {
			if e := d.await("run finished", n+i+1); e.text("already_running") != "2" {
				t.Errorf("with the new key: %v", e)
			}
		}
		if got := w.old.Load(); got > old {
			t.Errorf("%d more requests with the old key", got-old)
		}
	})
	d.stop()
	noSecret(t, "the log", d.log.String())
}

// A run under way goes on with the key that it began with; once that is deleted, with the new one.
func TestARunUnderWayOutlivesARotation(t *testing.T) {
	t.Parallel()
	o := healthyFleet(20)
	o.Boot = zecsim.Boot{Time: 5 * time.Second}
	w := newKeyed(t, o)
	w.write("web.txt", fleetFile(20))
	d, _ := w.punctual(func(spec string) {
		w.configure("groups: {web: {instances_file: web.txt}}\nschedules: {morning: {cron: \"" + spec + "\", action: start, groups: [web]}}\n")
	}, "--credentials-file", w.path("key"))
	awaitRequests(t, w.world, "StartInstances", 2)
	w.write("key", "new:"+plantedSecret)
	d.signal(syscall.SIGHUP)
	d.await("credentials replaced", 1)
	rises(t, &w.old)
	if n := w.new.Load(); n > 0 {
		t.Errorf("%d requests of the run with another key than it began with", n)
	}
	w.deleted.Store(true)
	if e := d.await("run finished", 1); e.text("started") != "20" || e.text("result") != "ok" {
		t.Errorf("the run under way: %v", e)
	}
	if w.new.Load() == 0 || len(d.events("credentials rejected")) > 0 {
		t.Errorf("%d requests with the new key, rejected: %v", w.new.Load(), d.events("credentials rejected"))
	}
	d.stop()
}
