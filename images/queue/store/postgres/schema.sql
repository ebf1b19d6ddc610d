-- The queue's schema, version 1. The same tables as the embedded store has; see there for the reasons. The server runs this
-- at start, under an advisory lock and with the search path set to the schema.
CREATE TABLE IF NOT EXISTS stages (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE);

-- Counters by stage, state and slot. Each writer adds to a slot of its own, so that none waits for another's transaction; what
-- is asked for is the sum. States 7 and 8 are the totals of done and dead; of stage 0, 1 are the results, 2 those exported.
CREATE TABLE IF NOT EXISTS counters (
	stage int NOT NULL, state int NOT NULL, slot int NOT NULL, value bigint NOT NULL,
	PRIMARY KEY (stage, state, slot)) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

CREATE SEQUENCE IF NOT EXISTS ids;
CREATE SEQUENCE IF NOT EXISTS slots;

CREATE TABLE IF NOT EXISTS items (
	id bigint PRIMARY KEY, stage int NOT NULL, state int NOT NULL, priority int NOT NULL,
	epoch bigint NOT NULL DEFAULT 0, lease bigint NOT NULL DEFAULT 0, attempt bigint NOT NULL DEFAULT 0,
	created bigint NOT NULL, changed bigint NOT NULL, due bigint,
	name text COLLATE "C" NOT NULL, grp text COLLATE "C", input bigint, size bigint NOT NULL, ref text COLLATE "C",
	worker text, worker_index bigint NOT NULL DEFAULT 0, failure text)
	WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
CREATE UNIQUE INDEX IF NOT EXISTS items_name ON items (stage, name);
CREATE INDEX IF NOT EXISTS items_state ON items (stage, state, priority DESC, id);
CREATE INDEX IF NOT EXISTS items_changed ON items (stage, state, changed) WHERE state IN (3, 5);
CREATE INDEX IF NOT EXISTS items_due ON items (due) WHERE state IN (2, 4);
CREATE INDEX IF NOT EXISTS items_group ON items (stage, grp, state, id) WHERE grp IS NOT NULL AND state <= 4;
CREATE INDEX IF NOT EXISTS items_input ON items (input) WHERE input IS NOT NULL;
CREATE INDEX IF NOT EXISTS items_ref ON items (ref) WHERE ref IS NOT NULL;
CREATE TABLE IF NOT EXISTS payloads (id bigint PRIMARY KEY, data bytea NOT NULL);
CREATE TABLE IF NOT EXISTS results (
	id bigint PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, created bigint NOT NULL, exported boolean NOT NULL DEFAULT false,
	stage int NOT NULL, item text NOT NULL, input bigint NOT NULL, size bigint NOT NULL, ref text COLLATE "C");
CREATE INDEX IF NOT EXISTS results_unexported ON results (id) WHERE NOT exported;
CREATE INDEX IF NOT EXISTS results_input ON results (input);
CREATE INDEX IF NOT EXISTS results_ref ON results (ref) WHERE ref IS NOT NULL;
CREATE TABLE IF NOT EXISTS deduplication (
	stage int NOT NULL, id text COLLATE "C" NOT NULL, at bigint NOT NULL, item bigint NOT NULL, PRIMARY KEY (stage, id));
CREATE INDEX IF NOT EXISTS deduplication_at ON deduplication (at);
CREATE TABLE IF NOT EXISTS marks (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS holds (role text PRIMARY KEY, holder text NOT NULL, until bigint NOT NULL);

-- All functions give the moves of items as triples of stage, state before and state after (0 is none), which the server adds
-- to its counters at the end of the transaction.

-- lock_groups makes transactions that touch groups go one after the other: one lock for all groups, since with one for each
-- two batches would wait for one another.
CREATE OR REPLACE FUNCTION lock_groups() RETURNS void LANGUAGE sql AS $$
	SELECT pg_advisory_xact_lock(hashtext('pattern_work_queue groups'), hashtext(current_schema()))
$$;

-- insert_item yields 0 if its stage has the name.
CREATE OR REPLACE FUNCTION insert_item(
	p_now bigint, p_stage int, p_name text, p_priority int, p_delay bigint, p_group text, p_input bigint,
	p_size bigint, p_ref text, p_data bytea, OUT new_id bigint, OUT new_state int) LANGUAGE plpgsql AS $$
DECLARE
	l_due bigint;
BEGIN
	new_state := 3;
	IF p_delay > 0 THEN
		new_state := 2;
		l_due := p_now + p_delay;
	END IF;
	IF p_group <> '' THEN
		PERFORM lock_groups();
		IF EXISTS (SELECT 1 FROM items WHERE stage = p_stage AND grp = p_group AND state <= 4) THEN
			new_state := 1;
		END IF;
	END IF;
	INSERT INTO items (id, stage, state, priority, created, changed, due, name, grp, input, size, ref)
	VALUES (nextval('ids'), p_stage, new_state, p_priority, p_now, p_now, l_due, p_name, nullif(p_group, ''), nullif(p_input, 0),
		p_size, nullif(p_ref, ''))
	ON CONFLICT (stage, name) DO NOTHING RETURNING id INTO new_id;
	IF new_id IS NULL THEN
		new_id := 0;
	ELSIF length(p_data) > 0 THEN
		INSERT INTO payloads (id, data) VALUES (new_id, p_data);
	END IF;
END $$;

CREATE OR REPLACE FUNCTION enqueue(
	p_now bigint, p_window bigint, p_stages int[], p_names text[], p_priorities int[], p_delays bigint[], p_groups text[],
	p_deduplication text[], p_sizes bigint[], p_refs text[], p_data bytea[])
RETURNS TABLE (id bigint, duplicate boolean, state int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	l_id bigint;
	l_state int;
BEGIN
	FOR i IN 1 .. coalesce(array_length(p_names, 1), 0) LOOP
		IF p_deduplication[i] <> '' THEN
			-- The row is locked against another server's item of the same ID, whether it is there already or not.
			INSERT INTO deduplication AS d (stage, id, at, item) VALUES (p_stages[i], p_deduplication[i], p_now - p_window, 0)
			ON CONFLICT (stage, id) DO UPDATE SET at = d.at;
			l_id := NULL;
			SELECT d.item INTO l_id FROM deduplication d
			WHERE d.stage = p_stages[i] AND d.id = p_deduplication[i] AND d.at > p_now - p_window AND d.item <> 0;
			IF l_id IS NOT NULL THEN
				RETURN QUERY SELECT l_id, true, 0;
				CONTINUE;
			END IF;
		END IF;
		SELECT n.new_id, n.new_state INTO l_id, l_state FROM insert_item(p_now, p_stages[i], p_names[i], p_priorities[i],
			p_delays[i], p_groups[i], 0, p_sizes[i], p_refs[i], p_data[i]) n;
		IF l_id = 0 THEN
			SELECT items.id INTO l_id FROM items WHERE items.stage = p_stages[i] AND items.name = p_names[i];
			RETURN QUERY SELECT coalesce(l_id, 0), true, 0;
			CONTINUE;
		END IF;
		IF p_deduplication[i] <> '' THEN
			UPDATE deduplication d SET at = p_now, item = l_id WHERE d.stage = p_stages[i] AND d.id = p_deduplication[i];
		END IF;
		RETURN QUERY SELECT l_id, false, l_state;
	END LOOP;
END $$;

-- unblock the next item of a group whose head has gone.
CREATE OR REPLACE FUNCTION unblock(p_now bigint, p_stage int, p_group text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	l_id bigint;
	l_due bigint;
	l_state int;
BEGIN
	IF p_group IS NULL THEN
		RETURN '{}';
	END IF;
	PERFORM lock_groups();
	SELECT id, due INTO l_id, l_due FROM items WHERE stage = p_stage AND grp = p_group AND state = 1 AND state <= 4
	ORDER BY id LIMIT 1 FOR UPDATE;
	IF l_id IS NULL THEN
		RETURN '{}';
	END IF;
	l_state := CASE WHEN l_due > p_now THEN 2 ELSE 3 END;
	UPDATE items SET state = l_state, changed = p_now, due = CASE WHEN l_state = 2 THEN l_due END WHERE id = l_id;
	RETURN ARRAY[p_stage, 1, l_state];
END $$;

CREATE OR REPLACE FUNCTION extend(p_now bigint, p_id bigint, p_epoch bigint, p_until bigint, OUT good boolean, OUT moves int[])
LANGUAGE plpgsql AS $$
DECLARE
	l items%ROWTYPE;
BEGIN
	moves := '{}';
	SELECT * INTO l FROM items WHERE id = p_id AND lease = p_epoch AND lease > 0 FOR UPDATE;
	good := FOUND;
	IF NOT good THEN
		RETURN;
	END IF;
	IF l.state = 4 THEN
		UPDATE items SET due = p_until WHERE id = p_id AND due < p_until;
	ELSE
		UPDATE items SET state = 4, changed = p_now, due = p_until WHERE id = p_id;
		moves := ARRAY[l.stage, l.state, 4];
	END IF;
END $$;

-- give_back into state 2, 3 or 6.
CREATE OR REPLACE FUNCTION give_back(p_now bigint, p_id bigint, p_epoch bigint, p_state int, p_due bigint, p_less int, p_failure text,
	OUT good boolean, OUT moves int[]) LANGUAGE plpgsql AS $$
DECLARE
	l items%ROWTYPE;
BEGIN
	moves := '{}';
	SELECT * INTO l FROM items WHERE id = p_id AND lease = p_epoch AND lease > 0 FOR UPDATE;
	good := FOUND;
	IF NOT good THEN
		RETURN;
	END IF;
	UPDATE items SET state = p_state, lease = 0, attempt = greatest(attempt - p_less, 0), changed = p_now, due = nullif(p_due, 0),
		failure = coalesce(nullif(p_failure, ''), failure) WHERE id = p_id;
	moves := ARRAY[l.stage, l.state, p_state];
	IF p_state = 6 THEN
		moves := moves || unblock(p_now, l.stage, l.grp);
	END IF;
END $$;

-- commit_item: outcome 0 is done, 1 the lease is lost, 2 a name is taken.
CREATE OR REPLACE FUNCTION commit_item(p_now bigint, p_id bigint, p_epoch bigint, p_any boolean,
	p_stages int[], p_names text[], p_priorities int[], p_delays bigint[], p_groups text[], p_sizes bigint[], p_refs text[], p_data bytea[],
	r_names text[], r_sizes bigint[], r_refs text[], r_data bytea[],
	OUT outcome int, OUT moves int[]) LANGUAGE plpgsql AS $$
DECLARE
	l items%ROWTYPE;
	l_id bigint;
	l_state int;
BEGIN
	outcome := 1;
	moves := '{}';
	SELECT * INTO l FROM items WHERE id = p_id AND (p_any OR (lease = p_epoch AND lease > 0)) FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	UPDATE items SET state = 5, lease = 0, changed = p_now, due = NULL, failure = NULL WHERE id = p_id;
	moves := ARRAY[l.stage, l.state, 5] || unblock(p_now, l.stage, l.grp);
	FOR i IN 1 .. coalesce(array_length(p_names, 1), 0) LOOP
		SELECT n.new_id, n.new_state INTO l_id, l_state FROM insert_item(p_now, p_stages[i], p_names[i], p_priorities[i],
			p_delays[i], p_groups[i], p_id, p_sizes[i], p_refs[i], p_data[i]) n;
		IF l_id = 0 THEN
			RAISE unique_violation;
		END IF;
		moves := moves || ARRAY[p_stages[i], 0, l_state];
	END LOOP;
	FOR i IN 1 .. coalesce(array_length(r_names, 1), 0) LOOP
		l_id := NULL;
		INSERT INTO results (id, name, created, stage, item, input, size, ref)
		VALUES (nextval('ids'), r_names[i], p_now, l.stage, l.name, p_id, r_sizes[i], nullif(r_refs[i], ''))
		ON CONFLICT (name) DO NOTHING RETURNING id INTO l_id;
		IF l_id IS NULL THEN
			RAISE unique_violation;
		END IF;
		IF length(r_data[i]) > 0 THEN
			INSERT INTO payloads (id, data) VALUES (l_id, r_data[i]);
		END IF;
	END LOOP;
	outcome := 0;
EXCEPTION WHEN unique_violation THEN
	-- Everything since BEGIN is rolled back.
	outcome := 2;
	moves := '{}';
END $$;

-- expire what was due when it was read and locked, unless another call of the same transaction has ended or extended it since.
-- The lease stays good unless the item is dead: nobody else has it yet.
CREATE OR REPLACE FUNCTION expire(p_now bigint, p_id bigint, p_from int, p_state int, p_due bigint, p_failure text)
RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	l items%ROWTYPE;
BEGIN
	UPDATE items SET state = p_state, lease = CASE WHEN p_state = 6 THEN 0 ELSE lease END, changed = p_now, due = nullif(p_due, 0),
		failure = coalesce(nullif(p_failure, ''), failure) WHERE id = p_id AND state = p_from AND due <= p_now RETURNING * INTO l;
	IF NOT FOUND THEN
		RETURN '{}';
	END IF;
	IF p_state = 6 THEN
		RETURN ARRAY[l.stage, p_from, 6] || unblock(p_now, l.stage, l.grp);
	END IF;
	RETURN ARRAY[l.stage, p_from, p_state];
END $$;

-- redrive_items: those of the names, or (null) up to a limit of all that are dead.
CREATE OR REPLACE FUNCTION redrive_items(p_now bigint, p_stage int, p_names text[], p_limit int, OUT n int, OUT moves int[])
LANGUAGE plpgsql AS $$
DECLARE
	l items%ROWTYPE;
	l_state int;
BEGIN
	n := 0;
	moves := '{}';
	FOR l IN
		SELECT i.* FROM items i WHERE p_names IS NULL AND i.stage = p_stage AND i.state = 6 ORDER BY i.priority DESC, i.id LIMIT p_limit FOR UPDATE
	LOOP
		SELECT r.n + redrive_items.n, redrive_items.moves || r.moves INTO n, moves FROM redrive_one(p_now, l.id) r;
	END LOOP;
	FOR i IN 1 .. coalesce(array_length(p_names, 1), 0) LOOP
		SELECT * INTO l FROM items WHERE stage = p_stage AND name = p_names[i] FOR UPDATE;
		IF FOUND THEN
			SELECT r.n + redrive_items.n, redrive_items.moves || r.moves INTO n, moves FROM redrive_one(p_now, l.id) r;
		END IF;
	END LOOP;
END $$;

CREATE OR REPLACE FUNCTION redrive_one(p_now bigint, p_id bigint, OUT n int, OUT moves int[]) LANGUAGE plpgsql AS $$
DECLARE
	l items%ROWTYPE;
	l_state int := 3;
BEGIN
	n := 0;
	moves := '{}';
	SELECT * INTO l FROM items WHERE id = p_id AND state = 6;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF l.grp IS NOT NULL THEN
		PERFORM lock_groups();
		IF EXISTS (SELECT 1 FROM items WHERE stage = l.stage AND grp = l.grp AND state <= 4) THEN
			l_state := 1;
		END IF;
	END IF;
	UPDATE items SET state = l_state, lease = 0, attempt = 0, changed = p_now, due = NULL WHERE id = p_id;
	n := 1;
	moves := ARRAY[l.stage, 6, l_state];
END $$;

-- purge_items: those of the names, or (null) up to a limit of all in a state; none that is in flight.
CREATE OR REPLACE FUNCTION purge_items(p_now bigint, p_stage int, p_names text[], p_state int, p_limit int, OUT n int, OUT moves int[])
LANGUAGE plpgsql AS $$
DECLARE
	l items%ROWTYPE;
	l_ids bigint[];
	l_id bigint;
BEGIN
	n := 0;
	moves := '{}';
	IF p_names IS NULL THEN
		SELECT array_agg(s.id) INTO l_ids FROM (SELECT id FROM items WHERE stage = p_stage AND state = p_state
			ORDER BY priority DESC, id LIMIT p_limit FOR UPDATE) s;
	ELSE
		SELECT array_agg(s.id ORDER BY s.at) INTO l_ids FROM (SELECT i.id, k.at FROM unnest(p_names) WITH ORDINALITY k (name, at)
			JOIN items i ON i.stage = p_stage AND i.name = k.name FOR UPDATE OF i) s;
	END IF;
	FOREACH l_id IN ARRAY coalesce(l_ids, '{}') LOOP
		DELETE FROM items WHERE id = l_id AND state <> 4 RETURNING * INTO l;
		IF NOT FOUND THEN
			CONTINUE;
		END IF;
		DELETE FROM payloads WHERE id = l_id;
		n := n + 1;
		moves := moves || ARRAY[l.stage, l.state, 0];
		IF l.state IN (2, 3) THEN
			moves := moves || unblock(p_now, l.stage, l.grp);
		END IF;
	END LOOP;
END $$;

CREATE OR REPLACE FUNCTION forget_items(p_before bigint, p_limit int, OUT n int, OUT moves int[]) LANGUAGE plpgsql AS $$
DECLARE
	l record;
BEGIN
	n := 0;
	moves := '{}';
	FOR l IN SELECT s.id AS stage FROM stages s ORDER BY s.id LOOP
		DECLARE
			l_ids bigint[];
		BEGIN
			SELECT array_agg(d.id) INTO l_ids FROM (SELECT id FROM items WHERE stage = l.stage AND state = 5 AND state IN (3, 5)
				AND changed < p_before ORDER BY changed LIMIT p_limit - n FOR UPDATE SKIP LOCKED) d;
			DELETE FROM payloads WHERE id = ANY (l_ids);
			DELETE FROM items WHERE id = ANY (l_ids);
			n := n + coalesce(array_length(l_ids, 1), 0);
			FOR i IN 1 .. coalesce(array_length(l_ids, 1), 0) LOOP
				moves := moves || ARRAY[l.stage, 5, 0];
			END LOOP;
		END;
	END LOOP;
END $$;
