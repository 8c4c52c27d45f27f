-- The sites that orders come from, with their numbers. Grain: site_key, the words of the site in lower case.
-- materialized: view
-- column: site_key = The words of the site in lower case.
select
    trim(regexp_replace(lower(site), '[\s,]+', ' ', 'g')) as site_key,
    site,
    site_nb
from raw.sites
