package zecsim

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"zecpower/apiclient"
)

// withClient runs f with the product's own client.
func withClient(t *testing.T, o Options, f func(t *testing.T, s *Simulator, c *apiclient.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		dial, shut := s.Pipe()
		defer shut()
		c, err := apiclient.New(apiclient.Config{
			Endpoint:    "http://127.0.0.1:1", // plain http is for loopback; nothing is dialled there
			Credentials: apiclient.Credentials{AccessKeyID: "demo", AccessKeySecret: apiclient.NewSecret("demo")},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f(t, s, c)
	})
}

func TestProductsClientStartsWatchesAndStops(t *testing.T) {
	o := Options{Instances: 3, Boot: boot3s, Stop: Stop{Forced: time.Second}}
	withClient(t, o, func(t *testing.T, s *Simulator, c *apiclient.Client) {
		ctx := t.Context()
		if _, err := c.StartInstances(ctx, []string{"i-000000", "i-000002"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		page, err := c.DescribeInstancesStatus(ctx, apiclient.StatusQuery{InstanceIDs: []string{"i-000000", "i-000001", "i-000009"}})
		if err != nil || page.TotalCount != 2 || page.Instances[0].State != apiclient.StateRunning || page.Instances[1].State != apiclient.StateStopped {
			t.Errorf("page %+v, %v", page, err)
		}
		if _, err := c.StopInstances(ctx, []string{"i-000002"}, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		all, err := c.DescribeInstances(ctx, apiclient.InstanceQuery{State: apiclient.StateStopped})
		if err != nil || all.TotalCount != 2 {
			t.Errorf("page %+v, %v", all, err)
		}
	})
}

func TestProductsClientClassifiesWhatItMeets(t *testing.T) {
	for name, tc := range map[string]struct {
		fault Fault
		class apiclient.Class
	}{
		"lost before":   {Fault{Kind: FaultLostBefore}, apiclient.ClassAmbiguous},
		"applied, lost": {Fault{Kind: FaultAppliedLost}, apiclient.ClassAmbiguous},
		"5xx":           {Fault{Kind: FaultError5xx}, apiclient.ClassTransient},
		"HTML":          {Fault{Kind: FaultHTML}, apiclient.ClassTransient},
		"HTML 200":      {Fault{Kind: FaultHTML200}, apiclient.ClassAmbiguous},
		"truncated":     {Fault{Kind: FaultTruncated}, apiclient.ClassAmbiguous},
		"cut":           {Fault{Kind: FaultCut}, apiclient.ClassAmbiguous},
		"slow":          {Fault{Kind: FaultSlow}, apiclient.ClassAmbiguous},
		"trickle":       {Fault{Kind: FaultTrickle}, apiclient.ClassAmbiguous},
		"endless":       {Fault{Kind: FaultEndless, Applied: AppliedAlways}, apiclient.ClassAmbiguous},
		"huge":          {Fault{Kind: FaultHuge, Applied: AppliedAlways}, apiclient.ClassAmbiguous},
		"wrong shape":   {Fault{Kind: FaultWrongShape}, apiclient.ClassAmbiguous},
		"auth":          {Fault{Kind: FaultAuthFailure}, apiclient.ClassCredentials},
		"redirect":      {Fault{Kind: FaultRedirect}, apiclient.ClassTransient},
	} {
		t.Run(name, func(t *testing.T) {
			withClient(t, withFault(tc.fault), func(t *testing.T, s *Simulator, c *apiclient.Client) {
				_, err := c.StartInstances(t.Context(), []string{"i-000000"})
				e, ok := errors.AsType[*apiclient.Error](err)
				if !ok || e.Class != tc.class {
					t.Errorf("error %v, want class %s", err, tc.class)
				}
			})
		})
	}
}

func TestProductsClientNamesAClockThatIsOff(t *testing.T) {
	withClient(t, Options{Instances: 1, ClockOffset: -time.Hour}, func(t *testing.T, s *Simulator, c *apiclient.Client) {
		_, err := c.StartInstances(t.Context(), []string{"i-000000"})
		if e, ok := errors.AsType[*apiclient.Error](err); !ok || e.ClockSkew.Round(time.Minute) != -time.Hour {
			t.Errorf("error %v", err)
		}
	})
}
