/** A database with one of everything that a snapshot has to carry, and with texts that must not leave it when it is redacted. */

/** In values of columns alone: no definition has them. */
export const secrets = [
  "zz-secret-mail",
  "zz-secret-note",
  "zz-secret-tag",
  "zz-secret-ip",
] as const;

export const shopSql = `
CREATE SCHEMA "Sales data";
CREATE TYPE public.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE DOMAIN public.email AS character varying(80) CHECK (VALUE <> '');
CREATE TYPE public.address AS (street text, number integer);
CREATE TYPE public.temperature AS RANGE (subtype = double precision);
CREATE FUNCTION public.half(amount integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT amount / 2 $$;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;

CREATE TABLE public.customers (
  gone_first text, id integer PRIMARY KEY, mail public.email NOT NULL, note text COLLATE "C", feeling public.mood,
  gone_later integer, tags text[], active boolean NOT NULL DEFAULT true, born date, score numeric(10, 2),
  place public.address, span int4range, twice integer GENERATED ALWAYS AS (id * 2) STORED
) WITH (fillfactor = 90);
ALTER TABLE public.customers DROP COLUMN gone_first, DROP COLUMN gone_later;
CREATE INDEX customers_mail_lower ON public.customers (lower(mail::text) text_pattern_ops);
CREATE INDEX customers_score ON public.customers (score DESC, born) INCLUDE (feeling) WHERE active AND score > 10;
CREATE INDEX customers_tags ON public.customers USING gin (tags);
CREATE STATISTICS public.customers_both (ndistinct, dependencies, mcv) ON feeling, active FROM public.customers;
CREATE STATISTICS public.customers_text (mcv) ON feeling, note FROM public.customers;

CREATE TABLE "Sales data"."Order ""lines""" (
  id bigint, customer integer NOT NULL CONSTRAINT buyer REFERENCES public.customers (id) ON DELETE CASCADE,
  made timestamp with time zone NOT NULL, region text NOT NULL, amount integer, CONSTRAINT cheap CHECK (amount < 100000)
) PARTITION BY RANGE (made);
CREATE TABLE "Sales data".lines_old PARTITION OF "Sales data"."Order ""lines""" FOR VALUES FROM (MINVALUE) TO ('2026-01-01') PARTITION BY LIST (region);
CREATE TABLE "Sales data".lines_old_north PARTITION OF "Sales data".lines_old FOR VALUES IN ('north');
CREATE TABLE "Sales data".lines_old_rest PARTITION OF "Sales data".lines_old DEFAULT;
CREATE TABLE "Sales data".lines_new PARTITION OF "Sales data"."Order ""lines""" FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
ALTER TABLE "Sales data"."Order ""lines""" ADD PRIMARY KEY (made, region, id);
CREATE INDEX "By customer" ON "Sales data"."Order ""lines""" (customer);
ALTER TABLE "Sales data".lines_new REPLICA IDENTITY USING INDEX lines_new_pkey;
CREATE SEQUENCE public.tickets AS smallint START 7;
CREATE SEQUENCE "Sales data"."Order ""numbers""" OWNED BY "Sales data".lines_new.id;
CREATE TEMP SEQUENCE passing;

CREATE TABLE public.visits (id integer, address inet, seen public.temperature, payload jsonb);
ALTER TABLE public.visits ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_visits ON public.visits USING (id > 0);
CREATE VIEW public.happy AS SELECT id, mail FROM public.customers WHERE feeling = 'happy';
CREATE MATERIALIZED VIEW public.totals AS SELECT region, count(*) AS lines FROM "Sales data"."Order ""lines""" GROUP BY region;

INSERT INTO public.customers (id, mail, note, feeling, tags, active, born, score, place, span)
  SELECT g, 'zz-secret-mail' || g % 50 || '@example.com', 'zz-secret-note' || g % 7, (ARRAY['sad', 'happy'])[1 + g % 2]::public.mood,
    ARRAY['zz-secret-tag' || g % 5, 'common'], g % 3 > 0, date '1970-01-01' + g % 400, g % 97, ROW('Street', g)::public.address, int4range(g, g + 10)
  FROM generate_series(1, 1000) g;
INSERT INTO "Sales data"."Order ""lines"""
  SELECT g, 1 + g % 1000, timestamptz '2025-01-01 00:00+00' + g * interval '1 day', (ARRAY['north', 'south'])[1 + g % 2], g % 500 FROM generate_series(1, 900) g;
INSERT INTO public.visits
  SELECT g, '10.0.0.1'::inet + g % 3, public.temperature(g, g + 1), jsonb_build_object('ip', 'zz-secret-ip' || g % 2) FROM generate_series(1, 500) g;
REFRESH MATERIALIZED VIEW public.totals;
ANALYZE;
`;
