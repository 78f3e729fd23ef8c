//! The cast: people who write to the shop. Their numbers come from ranges reserved for fiction
//! (Australia, Britain, France, the United States), elsewhere from prefixes that no operator holds.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// Someone on WhatsApp, as far as a business gets to know them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    pub name: Cow<'static, str>,
    pub username: Option<Cow<'static, str>>,
    /// Digits with country code; absent where the person keeps it from businesses.
    pub wa_id: Option<Cow<'static, str>>,
    /// The id that is theirs towards this business only.
    pub user_id: Option<Cow<'static, str>>,
}

/// One of many.
pub fn customer(number: usize) -> Person {
    Person {
        name: format!("Customer {number}").into(),
        username: None,
        wa_id: Some(format!("25419{number:07}").into()),
        user_id: None,
    }
}

impl Person {
    pub const fn with_phone(name: &'static str, wa_id: &'static str) -> Self {
        Person {
            name: Cow::Borrowed(name),
            username: None,
            wa_id: Some(Cow::Borrowed(wa_id)),
            user_id: None,
        }
    }

    /// Someone who shows businesses a username and no number.
    pub const fn with_username(
        name: &'static str,
        username: &'static str,
        user_id: &'static str,
    ) -> Self {
        Person {
            name: Cow::Borrowed(name),
            username: Some(Cow::Borrowed(username)),
            wa_id: None,
            user_id: Some(Cow::Borrowed(user_id)),
        }
    }

    /// The person as an element of `contacts`.
    pub fn contact(&self) -> Value {
        let mut contact = Map::new();
        let mut profile = Map::from_iter([("name".to_owned(), json!(self.name))]);
        if let Some(username) = &self.username {
            profile.insert("username".into(), json!(username));
        }
        contact.insert("profile".into(), Value::Object(profile));
        self.addressed_as(&mut contact, "wa_id", "user_id");
        Value::Object(contact)
    }

    /// Puts the person's number and id where they are known under the names given.
    pub(super) fn addressed_as(&self, fields: &mut Map<String, Value>, phone: &str, user: &str) {
        if let Some(wa_id) = &self.wa_id {
            fields.insert(phone.into(), json!(wa_id));
        }
        if let Some(user_id) = &self.user_id {
            fields.insert(user.into(), json!(user_id));
        }
    }

    /// What WhatsApp knows the person by: the number, else the id.
    pub(crate) fn address(&self) -> &str {
        self.wa_id.as_deref().or(self.user_id.as_deref()).unwrap_or_default()
    }
}

macro_rules! cast {
    ($($key:ident = $person:expr;)*) => {
        $(pub(super) static $key: Person = $person;)*
        /// Everybody who writes or is written to in the course of the day.
        pub static PEOPLE: &[&Person] = &[$(&$key),*];
    };
}

const fn p(name: &'static str, wa_id: &'static str) -> Person {
    Person::with_phone(name, wa_id)
}

/// Someone who is known by both, as most are once WhatsApp has given them an id.
const fn both(name: &'static str, wa_id: &'static str, user_id: &'static str) -> Person {
    Person {
        name: Cow::Borrowed(name),
        username: None,
        wa_id: Some(Cow::Borrowed(wa_id)),
        user_id: Some(Cow::Borrowed(user_id)),
    }
}

cast! {
    // Kenya
    WANJIKU = p("Wanjiku Kamau", "254190000142");
    OTIENO = p("Otieno Odhiambo", "254190000157");
    ACHIENG = p("Achieng Atieno", "254190000163");
    KIPTOO = both("Samuel Kiptoo", "254190000178", "KE.70458112093347125560");
    FATUMA = p("Fatuma Hassan", "254190000184");
    MUTHONI = p("Muthoni wa Njeri 🌸", "254190000191");
    BARASA = p("Dennis Barasa", "254190000205");
    NIA = Person::with_username("Nia", "nia.in.nairobi", "KE.20871649930015524718");
    // Tanzania
    JUMA = p("Juma Mwakyusa", "255640000118");
    NEEMA = p("Neema Massawe", "255640000126");
    REHEMA = p("Rehema Said", "255640000133");
    // Uganda
    NAKATO = p("Mariam Nakato", "256725000119");
    OKELLO = p("Okello Patrick", "256725000124");
    // Rwanda
    MUTONI = p("Grace Mutoni", "250700000131");
    HABIMANA = p("Jean-Paul Habimana", "250700000148");
    // Ghana
    KWAME = p("Kwame Mensah", "233220000112");
    PATIENCE = p("Patience Amoah", "233220000127");
    // The same Patience after she changed her number.
    PATIENCE_ANEW = p("Patience Amoah", "233220000199");
    KOJO = Person::with_username("Kojo A.", "kojo_builds", "GH.31460927755801943026");
    // Nigeria
    CHINEDU = p("Chinedu Okafor", "2348300000115");
    TUNDE = p("Tunde Adeyemi", "2348300000121");
    AMINA = both("Amina Bello", "2348300000138", "NG.58210036649917720834");
    // Senegal
    AISSATOU = p("Aïssatou Diallo", "221730000116");
    FATOU = p("Fatou Ndiaye", "221730000129");
    // Côte d'Ivoire
    NADEGE = p("Nadège Kouassi", "2250200000113");
    IBRAHIM = p("Ibrahim Traoré", "2250200000128");
    // Cameroon, Congo, Benin, Togo
    MBARGA = p("Mbarga Étienne", "237600000117");
    CHANTAL = p("Chantal Ilunga", "243920000125");
    RODRIGUE = p("Rodrigue Hounsou", "2290200000136");
    AFI = p("Afi Mensah-Kpodo", "22894000114");
    // Mozambique, Angola
    JOAO = p("João Macuácua", "258801000122");
    CELESTE = p("Celeste Nhantumbo", "258801000139");
    DOMINGOS = p("Paulo Domingos", "244900000118");
    // Zambia, Malawi
    ESTHER = p("Esther Banda", "260900000123");
    MWANSA = p("Mwansa Chileshe", "260900000137");
    BLESSING = p("Blessing Phiri", "265900000114");
    // Family and friends abroad
    CLAIRE = p("Claire Moreau", "33639980142");
    THIERRY = p("Thierry Mbemba", "33639980187");
    OLIVIA = p("Olivia Bennett", "447700900123");
    DAVID = p("David Mwangi", "447700900188");
    JASMINE = p("Jasmine Carter", "12025550143");
    MARCUS = both("Marcus Reid", "12025550176", "US.90317745518820063415");
    RUTH = p("Ruth Kimani", "61491570156");
    MARTA = p("Marta Figueiredo", "351900000127");
}
