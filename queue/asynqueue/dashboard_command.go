package asynqueue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"imagerun/queue/durable"
)

// maxAtOnce bounds what one press of an "all" button does; what is left is there for the next.
const maxAtOnce = 10_000

// taskPath is a task's name, and what to do with it.
var taskPath = regexp.MustCompile(`^([^/:]+:\d+)(?::([a-z]+))?$`)

// press is a button of the dashboard: POST /api/queues/{queue}/{state}_tasks[/{task}]:{verb}, or
// DELETE without the verb.
type press struct {
	operator string
	queue    string
	state    string // of asynq: pending, active, scheduled, retry or archived
	verb     string // run, archive, delete or cancel; with _all or batch_ for many
	task     string // name; empty for many
}

// servePress does what a button asks for.
func (d *dashboard) servePress(w http.ResponseWriter, r *http.Request, path string) {
	p := press{}

	rest, ok := strings.CutPrefix(path, "/api/queues/")
	queue, tail, inside := strings.Cut(rest, "/")

	if p.operator, _, _ = r.BasicAuth(); p.operator == "" {
		writeProblem(w, http.StatusUnauthorized, "Somebody must have done it: log in.")

		return
	}

	if !ok {
		writeProblem(w, http.StatusMethodNotAllowed, "There is nothing to change here.")

		return
	}

	if !inside {
		d.changeQueue(w, r, p.operator, queue)

		return
	}

	p.queue = queue

	if list, task, single := strings.Cut(tail, "/"); single {
		m := taskPath.FindStringSubmatch(task)
		if m == nil {
			writeProblem(w, http.StatusNotFound, "This task is no job of ours.")

			return
		}

		p.state, p.task, p.verb = list, m[1], m[2]
		if r.Method == http.MethodDelete {
			p.verb = "delete"
		}
	} else {
		p.state, p.verb, _ = strings.Cut(list, ":")
	}

	p.state = strings.TrimSuffix(p.state, "_tasks")

	if !slices.Contains(d.Admin.Queues(), p.queue) {
		writeProblem(w, http.StatusNotFound, "There is no such queue.")

		return
	}

	d.changeTasks(w, r, p)
}

// changeQueue pauses, resumes or deletes a queue; the last is refused.
func (d *dashboard) changeQueue(w http.ResponseWriter, r *http.Request, operator, rest string) {
	queue, verb, _ := strings.Cut(rest, ":")

	if r.Method != http.MethodPost || (verb != "pause" && verb != "resume") {
		writeProblem(w, http.StatusMethodNotAllowed, "Queues are part of the program and cannot be deleted here. Pause one to stop it.")

		return
	}

	var err error
	if verb == "pause" {
		err = d.Admin.Pause(r.Context(), durable.Pause{Queue: queue, Operator: operator, Reason: "on the dashboard"}, 0)
	} else {
		err = d.Admin.Resume(r.Context(), queue, operator)
	}

	if err == nil {
		err = NewPauses(d.pusher, d.Admin, d.Log).Restore(r.Context(), []string{queue})
	}

	switch {
	case errors.Is(err, durable.ErrUnknown):
		writeProblem(w, http.StatusNotFound, "There is no such queue.")
	case err != nil:
		d.writeUnavailable(w, r, err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (d *dashboard) changeTasks(w http.ResponseWriter, r *http.Request, p press) {
	verb := strings.TrimSuffix(strings.TrimPrefix(p.verb, "batch_"), "_all")
	known := map[string][]string{
		"run":     {"scheduled", "retry", "archived"},
		"archive": {"pending", "scheduled", "retry"},
		"delete":  {"pending", "scheduled", "retry", "archived"},
		"cancel":  {"active"},
	}

	if !slices.Contains(known[verb], p.state) || (p.task != "" && p.verb != verb) {
		writeProblem(w, http.StatusMethodNotAllowed, "There is no such button.")

		return
	}

	names, err := d.listTaskNames(r, p)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, "The list of tasks is not understood, or could not be read.")

		return
	}

	done, failed, err := d.changeJobs(r.Context(), p, verb, names)

	switch {
	case err != nil:
		d.writeUnavailable(w, r, err)
	case p.task != "" && len(failed) > 0:
		writeProblem(w, http.StatusConflict, "The job is not in a state in which this can be done, or another one of its key lives.")
	case p.task != "" || p.verb == "cancel_all":
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(p.verb, "batch_"):
		good := map[string]string{"run": "pending_ids", "archive": "archived_ids", "delete": "deleted_ids", "cancel": "canceled_ids"}
		bad := map[string]string{"delete": "failed_ids"}
		d.writeJSON(w, map[string]any{good[verb]: notNil(done), cmp.Or(bad[verb], "error_ids"): notNil(failed)})
	default:
		word := map[string]string{"run": "scheduled", "archive": "archived", "delete": "deleted"}
		d.writeJSON(w, map[string]any{word[verb]: len(done)})
	}
}

// listTaskNames returns the tasks that a button is about.
func (d *dashboard) listTaskNames(r *http.Request, p press) (names []string, err error) {
	switch {
	case p.task != "":
		return []string{p.task}, nil
	case strings.HasPrefix(p.verb, "batch_"):
		var body struct {
			IDs []string `json:"task_ids"`
		}

		err = json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20)).Decode(&body)

		return body.IDs, err
	case p.state == "pending" || p.state == "active":
		return d.Client.LRange(r.Context(), queueKey(p.queue, p.state), 0, maxAtOnce-1).Result()
	}

	if names, err = d.Client.ZRange(r.Context(), queueKey(p.queue, p.state), 0, maxAtOnce-1).Result(); err != nil || p.state != "archived" {
		return names, err
	}

	// asynq's archive forgets; Postgres does not.
	dead, err := d.Admin.List(r.Context(), durable.Filter{Queue: p.queue, State: "dead", Limit: maxAtOnce})
	for _, j := range dead {
		names = append(names, durable.Task{ID: j.ID, Epoch: j.Epoch}.Name())
	}

	slices.Sort(names)

	return slices.Compact(names), err
}

// changeJobs does what is asked for in Postgres, and then has asynq show it.
func (d *dashboard) changeJobs(ctx context.Context, p press, verb string, names []string) (done, failed []string, err error) {
	tasks := make(map[uuid.UUID]durable.Task, len(names))

	for _, name := range names {
		id, epoch, err := durable.ParseName(name)
		if err != nil {
			failed = append(failed, name)

			continue
		}

		if t, twice := tasks[id]; !twice || t.Epoch < epoch {
			tasks[id] = durable.Task{ID: id, Epoch: epoch, Queue: p.queue}
		}
	}

	order := durable.Order{Operator: p.operator}
	if len(tasks) == 0 {
		return done, failed, nil
	}

	ids := make([]uuid.UUID, 0, len(tasks))
	for id := range tasks {
		ids = append(ids, id)
	}

	jobs, err := d.Admin.List(ctx, durable.Filter{IDs: ids})
	if err != nil {
		return nil, nil, err
	}

	before := make(map[uuid.UUID]durable.Info, len(jobs))

	for _, j := range jobs {
		// A task of another push than the row's is a leftover: no button on it means the job.
		if j.Epoch == tasks[j.ID].Epoch {
			before[j.ID] = j
			order.IDs = append(order.IDs, j.ID)
		}
	}

	act := d.Admin.Cancel
	if verb == "run" {
		act = d.Admin.Retry
	}

	changed := map[uuid.UUID]bool{}

	if len(order.IDs) > 0 {
		res, err := act(ctx, order)
		if err != nil {
			return nil, nil, err
		}

		for _, id := range res.Changed {
			changed[id] = true
		}
	}

	var over []durable.Task

	for id, t := range tasks {
		job, ours := before[id]

		if ours && !changed[id] {
			failed = append(failed, t.Name())

			continue
		}

		done = append(done, t.Name())

		// A redriven job gets a new task; of one that still lives, the worker that has it, or gets
		// it, answers for the task.
		if verb == "run" || !ours || job.State == "dead" {
			over = append(over, t)
		}
	}

	if err := d.pusher.Forget(ctx, over); err != nil {
		return nil, nil, err
	}

	return done, failed, nil
}

func notNil(names []string) []string { return append([]string{}, names...) }
