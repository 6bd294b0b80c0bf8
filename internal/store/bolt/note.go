package bolt

import (
	"go.etcd.io/bbolt"

	"zecpower/internal/store"
)

// putNotes writes why nominal times did not run. A note extends its schedule's newest one where it
// can. Each schedule's newest note is written once, however many notes extend it.
func putNotes(tx *bbolt.Tx, notes []store.Note) error {
	tails := map[string]*store.Record{}
	for _, n := range notes {
		if err := note(tx, tails, n); err != nil {
			return err
		}
	}
	for schedule, r := range tails {
		if err := putRecord(tx, r); err != nil {
			return err
		}
		key := recordKey(placeOf(r.Nominal, schedule), r.ID)
		if err := tx.Bucket(bucketTails).Put([]byte(schedule), key); err != nil {
			return err
		}
	}
	return nil
}

// note adds n to tails, the newest notes of schedules that are not written yet.
func note(tx *bbolt.Tx, tails map[string]*store.Record, n store.Note) error {
	there, err := getRecord(tx, recordKey(placeOf(n.Nominal, n.Schedule), n.ID))
	if err != nil || there != nil && there.Claimed() {
		return err
	}
	tail := tails[n.Schedule]
	if tail == nil {
		if key := tx.Bucket(bucketTails).Get([]byte(n.Schedule)); key != nil {
			if tail, err = getRecord(tx, key); err != nil {
				return err
			}
		}
	}
	if tail != nil && tail.Continue(n) {
		tails[n.Schedule] = tail
		return nil
	}
	if before := tails[n.Schedule]; before != nil {
		if err := putRecord(tx, before); err != nil {
			return err
		}
	}
	r := store.NewNote(n)
	tails[n.Schedule] = &r
	return nil
}
